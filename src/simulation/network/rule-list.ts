/**
 * The rules of the network in their order, and what they hold.
 *
 * Invariants: the first rule that answers wins. What a rule holds is judged anew when the rule leaves the list or its time
 * has come; what is released together is released in the order in which it was held. Nothing here depends on how many other
 * rules there are: each has a name of its own, by which its randomness is drawn.
 */
import type { Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import { type Rule, rulePlaces } from './rule.js';

/** A rule as it stands in the list. */
export interface ListedRule {
  readonly rule: Rule;
  /** Its own: a rule of the same name that was added at another time has another one. */
  readonly label: string;
}

/** What may be held up. */
export interface Holdable {
  /** Is to be judged anew. */
  release(): void;
}

interface Hold {
  readonly by: ListedRule;
  readonly timer: Timer | undefined;
}

export class RuleList {
  readonly #clock: VirtualClock;
  readonly #rules: ListedRule[] = [];
  readonly #timers = new Map<ListedRule, Timer>();
  /** In the order of holding. */
  readonly #held = new Map<Holdable, Hold>();
  #version = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Counts up whenever an earlier answer to the question of whom which rules concern may be wrong. */
  get version(): number {
    return this.#version;
  }

  /** In the order of asking. */
  get rules(): readonly ListedRule[] {
    return this.#rules;
  }

  /** Adds a rule; the result takes it out again, and releases what it holds. */
  add(rule: Rule): () => void {
    const listed = { rule, label: this.#labelOf(rule) };
    const place = rulePlaces.indexOf(rule.place);
    const index = this.#rules.findIndex((other) => rulePlaces.indexOf(other.rule.place) > place);
    this.#rules.splice(index < 0 ? this.#rules.length : index, 0, listed);
    this.#version += 1;
    const remove = () => this.#remove(listed);
    if (rule.untilMs !== undefined) this.#timers.set(listed, this.#clock.scheduleAt(rule.untilMs, remove));
    return remove;
  }

  /** Takes all rules out at once, so that nothing that one has held runs into another. */
  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#rules.length = 0;
    this.#version += 1;
    this.#releaseWhere(() => true);
  }

  /** Who reaches whom has changed, so everybody must look at the list anew, and what could not pass may. */
  changed(by: ListedRule): void {
    this.#version += 1;
    this.#releaseWhere((hold) => hold.by === by);
  }

  hold(what: Holdable, by: ListedRule, untilMs: number | undefined): void {
    const timer = untilMs === undefined ? undefined : this.#clock.scheduleAt(untilMs, () => this.#release(what));
    this.#held.set(what, { by, timer });
  }

  /** What was held is of no interest any more. */
  forget(what: Holdable): void {
    this.#held.get(what)?.timer?.cancel();
    this.#held.delete(what);
  }

  #remove(listed: ListedRule): void {
    const index = this.#rules.indexOf(listed);
    if (index < 0) return;
    this.#rules.splice(index, 1);
    this.#timers.get(listed)?.cancel();
    this.#timers.delete(listed);
    this.#version += 1;
    this.#releaseWhere((hold) => hold.by === listed);
  }

  #releaseWhere(isReleased: (hold: Hold) => boolean): void {
    const released = [...this.#held].filter(([, hold]) => isReleased(hold)).map(([what]) => what);
    for (const what of released) this.#release(what);
  }

  #release(what: Holdable): void {
    if (!this.#held.has(what)) return;
    this.forget(what);
    what.release();
  }

  #labelOf({ name }: Rule): string {
    const labels = new Set(this.#rules.map((listed) => listed.label));
    const label = `${name} at ${this.#clock.nowMs}`;
    let unique = label;
    for (let count = 2; labels.has(unique); count += 1) unique = `${label} (${count})`;
    return unique;
  }
}
