/**
 * The way from one machine to another: which rules concern it, and how long it takes.
 *
 * Most of the time nothing is wrong. So each route remembers which rules concern it and asks again only when the list
 * has changed; a parcel on a clear route costs one draw of the latency. Each route has its own random stream for each
 * rule and for the latency, so no parcel changes what happens on another route.
 */
import type { VirtualClock } from '../clock.js';
import type { RandomStream } from '../random.js';
import { Bottleneck, type LineQuality } from './bottleneck.js';
import { drawLatencyMs, farLatency, type Latency } from './latency.js';
import type { ParcelKind, Verdict } from './rule.js';
import { type ListedRule, RuleList } from './rule-list.js';
import { Segments } from './segments.js';

/** From a process to itself or to another process on its machine. */
const loopbackLatencyMs = 0.02;

/** The rule for a host that does not exist: nothing passes and no error comes back. It precedes all other rules. */
const unreachable: ListedRule = {
  label: 'unreachable',
  rule: {
    name: 'unreachable',
    place: 'barrier',
    judge: ({ kind }) => ({ verdict: kind === 'datagram' ? 'drop' : 'hold' }),
  },
};

export interface Answer {
  readonly verdict: Verdict;
  readonly by: ListedRule;
}

export class Routes {
  readonly rules: RuleList;
  readonly segments = new Segments(() => this.rules.changed(unreachable));
  /** The latency when no rule says otherwise. */
  pace: Latency;
  readonly clock: VirtualClock;
  readonly random: (label: string) => RandomStream;
  readonly #routes = new Map<string, Map<string, Route>>();

  constructor(clock: VirtualClock, random: (label: string) => RandomStream, pace: Latency) {
    this.clock = clock;
    this.random = random;
    this.pace = pace;
    this.rules = new RuleList(clock);
  }

  of(from: string, to: string): Route {
    let routes = this.#routes.get(from);
    if (routes === undefined) {
      routes = new Map();
      this.#routes.set(from, routes);
    }
    let route = routes.get(to);
    if (route === undefined) {
      route = new Route(this, from, to);
      routes.set(to, route);
    }
    return route;
  }
}

export class Route {
  readonly from: string;
  readonly to: string;
  readonly #routes: Routes;
  readonly #pace: RandomStream;
  readonly #streams = new Map<ListedRule, RandomStream>();
  #concerned: readonly ListedRule[] = [];
  #isReachable = false;
  #isLocal = false;
  #isFar = false;
  #bottleneck: Bottleneck | undefined;
  /** The version of the list when this route last looked at it. */
  #version = -1;

  constructor(routes: Routes, from: string, to: string) {
    this.#routes = routes;
    this.from = from;
    this.to = to;
    this.#pace = routes.random(`latency ${from} -> ${to}`);
  }

  get isReachable(): boolean {
    this.#look();
    return this.#isReachable;
  }

  /** Whether both ends are on one local network. */
  get isLocal(): boolean {
    this.#look();
    return this.#isLocal;
  }

  /** Whether no rule concerns this route, so that none has to be asked. */
  get isClear(): boolean {
    this.#look();
    return this.#concerned.length === 0;
  }

  /** The line that carries everything on this route; undefined when its bandwidth is unlimited. */
  get bottleneck(): Bottleneck | undefined {
    return this.#bottleneck;
  }

  /** What the line adds to the latency of the weather. */
  get lineLatencyMs(): number {
    return this.#bottleneck?.quality.latencyMs ?? 0;
  }

  /** Makes the line narrow and long; undefined makes it like all others again. */
  set quality(quality: LineQuality | undefined) {
    const before = this.#bottleneck;
    if (quality === undefined) {
      this.#bottleneck = undefined;
      before?.dissolve();
    } else if (before === undefined) {
      this.#bottleneck = new Bottleneck(this.#routes.clock, quality);
    } else {
      before.quality = quality;
    }
  }

  /**
   * The verdict on a parcel; undefined when no rule returns one, and the parcel passes with the latency of the weather.
   */
  ask(kind: ParcelKind, bytes: number): Answer | undefined {
    this.#look();
    const parcel = { from: this.from, to: this.to, kind, bytes };
    for (const by of this.#concerned) {
      const moment = { nowMs: this.#routes.clock.nowMs, random: this.#streamOf(by) };
      const verdict = by.rule.judge(parcel, moment);
      if (verdict !== undefined) return { verdict, by };
    }
    return undefined;
  }

  drawLatencyMs(): number {
    if (this.from === this.to) return loopbackLatencyMs;
    this.#look();
    const nearMs = drawLatencyMs(this.#routes.pace, this.#pace);
    const weatherMs = this.#isFar ? nearMs + drawLatencyMs(farLatency, this.#pace) : nearMs;
    return weatherMs + this.lineLatencyMs;
  }

  #look(): void {
    const { rules, segments } = this.#routes;
    if (this.#version === rules.version) return;
    this.#version = rules.version;
    this.#isReachable = segments.reach(this.from, this.to);
    this.#isLocal = segments.areLocal(this.from, this.to);
    this.#isFar = segments.isPublic(this.from) || segments.isPublic(this.to);
    if (this.from === this.to) return;
    const concerned = rules.rules.filter(({ rule }) => rule.concerns?.(this.from, this.to) ?? true);
    this.#concerned = this.#isReachable ? concerned : [unreachable, ...concerned];
    for (const known of this.#streams.keys()) if (!this.#concerned.includes(known)) this.#streams.delete(known);
  }

  #streamOf(listed: ListedRule): RandomStream {
    const known = this.#streams.get(listed);
    if (known !== undefined) return known;
    const stream = this.#routes.random(`rule ${listed.label} ${this.from} -> ${this.to}`);
    this.#streams.set(listed, stream);
    return stream;
  }
}
