/** Periods of time: who led, which processes were down, and the faults of the world. */
import type { Fold } from '../../../src/inspector/fold.js';
import type { InspectorRecord } from '../../../src/inspector/records.js';
import { stateName } from './cluster.js';
import type { Identity } from './identities.js';

export interface Band {
  readonly kind: 'leader' | 'down' | 'partition' | 'world';
  readonly label: string;
  readonly fromMs: number;
  /** The same as `fromMs` for an event without duration. */
  readonly toMs: number;
}

interface Open {
  readonly kind: Band['kind'];
  readonly label: string;
  readonly fromMs: number;
}

const marksMax = 2_000;

export class Bands {
  readonly #closed: Band[] = [];
  readonly #open = new Map<string, Open>();

  add(record: InspectorRecord, fold: Fold, atMs: number, identities: ReadonlyMap<string, Identity>): void {
    switch (record.type) {
      case '@xstate.snapshot': {
        const { value } = record.snapshot;
        const actor = fold.actors.get(record.sessionId);
        const isElection = actor?.logic === 'election';
        if (isElection && value !== undefined) {
          this.#turn(`leader ${record.node}`, stateName(value) === 'leader', atMs, {
            kind: 'leader',
            label: identities.get(record.node)?.nodeId ?? record.node,
          });
        } else if (actor === undefined && record.snapshot.status !== undefined) {
          this.#endIfElection(record.node, fold, atMs);
        }
        return;
      }
      case 'statemesh.process':
        this.#turn(`leader ${record.node}`, false, atMs, { kind: 'leader', label: record.node });
        this.#turn(`down ${record.node}`, record.what === 'ended', atMs, { kind: 'down', label: record.node });
        return;
      case 'statemesh.world':
        if (record.partition !== undefined) {
          this.#turn('partition', record.partition.length > 0, atMs, {
            kind: 'partition',
            label: record.partition.map((group) => group.join(' ')).join(' | '),
          });
        }
        this.#close({ kind: 'world', label: record.what, fromMs: atMs }, atMs);
        return;
    }
  }

  all(nowMs: number): readonly Band[] {
    return [...this.#closed, ...[...this.#open.values()].map((open) => ({ ...open, toMs: nowMs }))];
  }

  /** The election actor has ended, so its node no longer leads; the fold has already removed the actor. */
  #endIfElection(node: string, fold: Fold, atMs: number): void {
    for (const actor of fold.actors.values()) if (actor.node === node && actor.logic === 'election') return;
    this.#turn(`leader ${node}`, false, atMs, { kind: 'leader', label: node });
  }

  #turn(key: string, isOn: boolean, atMs: number, { kind, label }: Omit<Open, 'fromMs'>): void {
    const open = this.#open.get(key);
    if (open !== undefined && (!isOn || open.label !== label)) {
      this.#open.delete(key);
      this.#close(open, atMs);
    }
    if (isOn && !this.#open.has(key)) this.#open.set(key, { kind, label, fromMs: atMs });
  }

  #close(open: Open, toMs: number): void {
    this.#closed.push({ ...open, toMs });
    if (this.#closed.length > marksMax) this.#closed.shift();
  }
}
