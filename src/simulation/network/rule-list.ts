/**
 * The rules of the network in their order, and what they hold.
 *
 * Invariants: the first rule that returns a verdict wins. A held parcel is judged again when the rule leaves the list
 * or its time has come; parcels that are released together are released in the order in which they were held. Nothing
 * depends on the number of other rules: each rule has a label of its own, which selects its random stream.
 */
import type { Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import { type Rule, rulePlaces } from './rule.js';

/** A rule as it stands in the list. */
export interface ListedRule {
  readonly rule: Rule;
  /** Unique: a rule of the same name that is added at another time has another label. */
  readonly label: string;
}

/** What a rule may hold. */
export interface Holdable {
  /** Called when it is to be judged again. */
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

  /** Counts up whenever an earlier answer about which rules concern a route may have become wrong. */
  get version(): number {
    return this.#version;
  }

  /** In the order of asking. */
  get rules(): readonly ListedRule[] {
    return this.#rules;
  }

  /** Adds a rule; the returned function removes it, and releases what it holds. */
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

  /** Removes all rules at once, so that a released parcel does not meet another rule. */
  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#rules.length = 0;
    this.#version += 1;
    this.#releaseWhere(() => true);
  }

  /**
   * Connectivity has changed: all routes must look at the list again, and parcels that could not pass are judged again.
   */
  changed(by: ListedRule): void {
    this.#version += 1;
    this.#releaseWhere((hold) => hold.by === by);
  }

  hold(what: Holdable, by: ListedRule, untilMs: number | undefined): void {
    const timer = untilMs === undefined ? undefined : this.#clock.scheduleAt(untilMs, () => this.#release(what));
    this.#held.set(what, { by, timer });
  }

  /** Forgets a held parcel that is no longer needed. */
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
