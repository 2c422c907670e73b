/** Nodes that send each other heartbeats over links in memory, on one virtual clock. */
import { type MemberState, newcomer } from '../../src/core/election-rule.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { Heartbeats, type Participation, type PulseHandle } from '../../src/services/heartbeat.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';
import type { Heartbeat } from '../../src/wire/messages.js';

export const latencyMs = 1;
export const following: MemberState = newcomer;

export interface Sent {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly beat: Heartbeat;
}

interface Link {
  isUp: boolean;
  readonly ends: { from: string; to: string; handle: PulseHandle }[];
}

export class HeartbeatMesh {
  readonly clock = new VirtualClock();
  readonly time = simulatedTime(this.clock);
  readonly heartbeats: Readonly<Record<string, Heartbeats>>;
  readonly sent: Sent[] = [];
  /** When the live nodes of a node have changed, and to what. */
  readonly changes: { atMs: number; node: string; live: string }[] = [];
  readonly #links = new Map<string, Link>();
  readonly #participations = new Map<string, Participation>();

  constructor(nodes: string) {
    this.heartbeats = Object.fromEntries([...nodes].map((node) => [node, new Heartbeats(this.time)]));
  }

  participate(...nodes: string[]): void {
    for (const node of nodes) {
      const participation = (this.heartbeats[node] as Heartbeats).participate({
        selfId: node as NodeId,
        changed: () => this.changes.push({ atMs: this.clock.nowMs, node, live: this.live(node) }),
      });
      this.#participations.set(node, participation);
      participation.say(following);
    }
  }

  say(node: string, fields: Partial<MemberState>): void {
    this.#participations.get(node)?.say({ ...following, ...fields });
  }

  stopParticipating(node: string): void {
    this.#participations.get(node)?.stop();
  }

  live(node: string): string {
    return [...(this.#participations.get(node)?.live.keys() ?? [])].sort().join('');
  }

  memberState(node: string, of: string): MemberState | undefined {
    return this.#participations.get(node)?.live.get(of as NodeId);
  }

  /** Links each pair of nodes. */
  mesh(nodes: string): void {
    for (const x of nodes) for (const y of nodes) if (x < y) this.link(x, y);
  }

  link(x: string, y: string, { isLocal = true, intervalMs = 1_000 } = {}): void {
    const link: Link = { isUp: true, ends: [] };
    this.#links.set(x + y, link);
    for (const [from, to] of [
      [x, y],
      [y, x],
    ] as [string, string][]) {
      const handle = (this.heartbeats[from] as Heartbeats).start({
        peerId: to as NodeId,
        boot: `boot-${to}` as Boot,
        isLocal,
        intervalMs,
        send: (beat) => {
          this.sent.push({ atMs: this.clock.nowMs, from, to, beat });
          this.clock.schedule(latencyMs, () => {
            if (link.isUp) link.ends.find((end) => end.from === to)?.handle.heard(beat);
          });
        },
        digest: () => '',
        missed: () => this.cut(x, y),
      });
      link.ends.push({ from, to, handle });
    }
  }

  /** The connection breaks, and both sides see it at once. */
  cut(x: string, y: string): void {
    const link = this.#links.get(x + y);
    if (link === undefined) return;
    link.isUp = false;
    for (const { handle } of link.ends) handle.stop();
    this.#links.delete(x + y);
  }

  /** All connections of a node break. */
  kill(node: string): void {
    for (const key of [...this.#links.keys()]) if (key.includes(node)) this.cut(key[0] as string, key[1] as string);
  }

  run(forMs: number): void {
    const untilMs = this.clock.nowMs + forMs;
    while ((this.clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= untilMs) this.clock.step();
    this.clock.advanceTo(untilMs);
  }

  /** Everything that was sent since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }
}
