/**
 * Elections of several nodes on one clock that the test moves. A liveness made for the test connects them: a state that
 * a node announces reaches the linked nodes a moment later, and both sides notice at once when a link is cut.
 */
import { type ActorRefFrom, createActor, fromCallback } from 'xstate';
import type { LeadershipChanged, LivenessCommand, LivenessReport, Mailbox } from '../../src/actors/mailboxes.js';
import { type Candidacy, type MemberState, type Uplink, usualCandidacy } from '../../src/core/election-rule.js';
import type { ErrorCode } from '../../src/core/errors.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { type ElectionMachine, electionMachine } from '../../src/machines/election.machine.js';
import { type ManualClock, manualClock } from './bench.js';

/** Time that an announcement takes from one node to another, ms. */
export const newsMs = 50;

interface Member {
  readonly actor: ActorRefFrom<ElectionMachine>;
  readonly leadership: LeadershipChanged[];
  memberState: MemberState | undefined;
  report: (event: LivenessReport) => void;
  /** The last announcement of each other node. */
  readonly heard: Map<string, MemberState>;
}

export interface Change {
  readonly atMs: number;
  readonly node: string;
  readonly isLeader: boolean;
  readonly leaderId: string | undefined;
  readonly term: number;
}

export class ElectionCluster {
  readonly clock: ManualClock = manualClock();
  /** Everything that parents were told, in order. */
  readonly changes: Change[] = [];
  readonly #members = new Map<string, Member>();
  readonly #links = new Set<string>();
  readonly #ineligible: ReadonlySet<string>;
  #nowMs = 0;
  /** The largest number of leaders at one moment since the last question. */
  #leadersMax = 0;

  constructor(nodes = '', { ineligible = '' } = {}) {
    this.#ineligible = new Set(ineligible);
    this.add(...nodes);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Starts nodes and links all of them with each other. */
  add(...nodes: string[]): void {
    for (const node of nodes) {
      this.#members.set(node, this.#start(node));
      this.join(node);
    }
  }

  join(node: string): void {
    for (const other of this.#members.keys()) this.link(node, other);
  }

  leave(node: string): void {
    for (const other of this.#members.keys()) this.cut(node, other);
  }

  link(x: string, y: string): void {
    if (x === y || this.#links.has(x + y)) return;
    this.#links.add(x + y).add(y + x);
    this.#spread(x);
    this.#spread(y);
  }

  cut(x: string, y: string): void {
    if (!this.#links.delete(x + y)) return;
    this.#links.delete(y + x);
    for (const [node, other] of [
      [x, y],
      [y, x],
    ] as const) {
      if (this.#members.get(node)?.heard.delete(other)) this.#report(node);
    }
  }

  /** Cuts or restores all links between the nodes of the first text and those of the second. */
  divide(left: string, right: string, isDivided: boolean): void {
    for (const x of left) for (const y of right) isDivided ? this.cut(x, y) : this.link(x, y);
  }

  uplink(node: string, uplink: Uplink): void {
    this.#members.get(node)?.actor.send({ type: 'uplink.changed', uplink });
  }

  impaired(node: string, impairment: ErrorCode | undefined): void {
    this.#members.get(node)?.actor.send({ type: 'health.changed', impairment });
  }

  eligible(node: string, isEligible: boolean): void {
    this.#members.get(node)?.actor.send({ type: 'election.adjusted', ...settingsOf({ isEligible }) });
  }

  run(forMs: number): this {
    const endMs = this.#nowMs + forMs;
    while (this.#nowMs < endMs) {
      this.#nowMs += 1;
      this.clock.advance(1);
    }
    return this;
  }

  /** The state of each node, as `a: leader`. */
  states(): string[] {
    return [...this.#members].map(([node, { actor }]) => {
      const { value } = actor.getSnapshot();
      return `${node}: ${typeof value === 'string' ? value : Object.values(value).join()}`;
    });
  }

  stateOf(node: string): string {
    return this.states().find((state) => state.startsWith(`${node}: `)) ?? '';
  }

  /** The nodes that say they lead. */
  leaders(): string {
    return [...this.#members].flatMap(([node, { leadership }]) => (leadership.at(-1)?.isLeader ? [node] : [])).join('');
  }

  /** The leader that each node follows. */
  followed(): string[] {
    return [...this.#members.values()].map(({ leadership }) => leadership.at(-1)?.leaderId ?? '-');
  }

  /** The largest number of leaders at one moment since the last call. */
  takeLeadersMax(): number {
    const max = this.#leadersMax;
    this.#leadersMax = this.leaders().length;
    return max;
  }

  memberState(node: string): MemberState | undefined {
    return this.#members.get(node)?.memberState;
  }

  #start(node: string): Member {
    const identity = { nodeId: node as NodeId, boot: `boot-${node}` as Boot, port: 1 };
    const leadership: LeadershipChanged[] = [];
    const listener = createActor(
      fromCallback<LeadershipChanged>(({ receive }) =>
        receive((event) => {
          leadership.push(event);
          const { isLeader, leaderId, term } = event;
          this.changes.push({ atMs: this.#nowMs, node, isLeader, leaderId, term });
          this.#leadersMax = Math.max(this.#leadersMax, this.leaders().length);
        }),
      ),
    ).start();
    const member: Omit<Member, 'actor'> = { leadership, memberState: undefined, report: () => {}, heard: new Map() };
    const liveness = fromCallback<LivenessCommand, { parent: Mailbox<LivenessReport> }>(({ input, receive }) => {
      receive((command) => {
        if (command.type !== 'memberState.changed') return;
        member.memberState = command.memberState;
        this.#spread(node);
      });
      member.report = (event) => input.parent.send(event);
    });
    const settings = settingsOf({ isEligible: !this.#ineligible.has(node) });
    const actor = createActor(electionMachine.provide({ actors: { liveness: liveness as never } }), {
      clock: this.clock,
      input: { parent: listener as never, identity, ...settings, term: 0 },
    });
    const started = Object.assign(member, { actor });
    this.#members.set(node, started);
    actor.start();
    return started;
  }

  /** An announcement reaches, a moment later, the nodes that are linked at that time. */
  #spread(node: string): void {
    this.clock.setTimeout(() => {
      const memberState = this.#members.get(node)?.memberState;
      if (memberState === undefined) return;
      for (const [other, { heard }] of this.#members) {
        if (!this.#links.has(node + other) || heard.get(node) === memberState) continue;
        heard.set(node, memberState);
        this.#report(other);
      }
    }, newsMs);
  }

  #report(node: string): void {
    const member = this.#members.get(node);
    const live = new Map([...(member?.heard ?? [])].map(([id, memberState]) => [id as NodeId, memberState]));
    member?.report({ type: 'liveness.changed', live });
  }
}

function settingsOf(fields: Partial<Candidacy>) {
  return { candidacy: { ...usualCandidacy, ...fields }, electionIntervalMs: 5_000 };
}
