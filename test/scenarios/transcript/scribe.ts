/**
 * Writes an event as a readable line: when, where, what. Random tokens become numbers in the order in which they first
 * appear, so `node-a#2` is the second incarnation of node-a.
 */
import { describeChanges } from '../../../src/configuration/reconfiguration.js';
import type { TraceLine } from '../../../src/simulation/index.js';
import type { View } from './kinds.js';

/** Nested states that are shown even without `show steps`, because they are news. */
const news: ReadonlySet<string> = new Set(['contested', 'diverged', 'leaving']);
/** The names of parallel regions, which are no states. */
const regions: ReadonlySet<string> = new Set(['claim', 'chains']);

const authorPattern = /([A-Za-z0-9][\w.-]*)\/([\w-]+)\/(shared|cluster)/g;

export class Scribe {
  readonly #view: View;
  readonly #incarnations = new Map<string, string[]>();
  #nodeWidth = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** A node that lines may be about: columns are as wide as the names need. */
  meet(name: string): void {
    this.#nodeWidth = Math.max(this.#nodeWidth, name.length);
  }

  /** The line for an event; undefined when it is not shown. */
  write(line: TraceLine): string | undefined {
    // Also for hidden events, otherwise a number would mean another incarnation with every `hide`.
    const text = this.#shorten(this.#textOf(line));
    const from = this.#whereOf(line);
    if (!this.#view.shows(line) || text === '') return undefined;
    return this.say(line.atMs, from, text);
  }

  say(atMs: number, where: string, text: string): string {
    const column = 2 * this.#nodeWidth + ' > '.length;
    return `${atMs.toFixed(1).padStart(8)}  ${where.padEnd(column)}  ${text}`.trimEnd();
  }

  #whereOf(line: TraceLine): string {
    if (line.kind === 'world') return 'world';
    return 'node' in line ? line.node : `${line.from} > ${line.to}`;
  }

  #textOf(line: TraceLine): string {
    switch (line.kind) {
      case 'world':
        return line.what;
      case 'beacon':
        return 'beacon';
      case 'frame':
        return [this.#number(line.connection), line.frame, line.about].filter((part) => part !== '').join(' ');
      case 'connection':
        return [this.#number(line.connection), 'connection', line.what].filter((part) => part !== '').join(' ');
      case 'request':
        return [this.#number(line.connection), line.about].filter((part) => part !== '').join(' ');
      case 'state':
        return this.#textOfState(line);
      case 'commit':
        return `commits ${line.about}`;
      case 'acknowledgement':
        return 'tells the caller that the write is on disk';
      case 'end':
        return 'the process is gone';
      case 'event':
        return textOfEvent(line.nodeEvent);
    }
  }

  #number(connection: number | undefined): string {
    return this.#view.hasNumbers && connection !== undefined ? `[${connection}]` : '';
  }

  #textOfState({ actor, from, to, peer, cause }: Extract<TraceLine, { kind: 'state' }>): string {
    const [before, after] = [this.#state(from), this.#state(to)];
    if (before === after) return '';
    const name = nameOfActor(actor, peer);
    if (name === 'reconfiguration' && !this.#view.hasSteps) return '';
    const change = before === '' ? after : `${before} -> ${after}`;
    return `${name === '' ? '' : `${name}: `}${change}${cause === undefined ? '' : ` (${cause})`}`;
  }

  /** From the state as XState writes it, without quotes: `{connected:{claim:settled,chains:aligned}}`. */
  #state(value: string): string {
    const [top = '', ...inner] = value.match(/\w+/g) ?? [];
    // Its reconfigurations are actors of their own.
    if (top === 'running') return top;
    const told = inner.filter((word) => !regions.has(word) && (this.#view.hasSteps || news.has(word)));
    return [top, ...told].join('.');
  }

  #shorten(text: string): string {
    return text.replace(authorPattern, (_, nodeId: string, incarnation: string, scope: string) => {
      const known = this.#incarnations.get(nodeId) ?? [];
      this.#incarnations.set(nodeId, known);
      if (!known.includes(incarnation)) known.push(incarnation);
      return `${nodeId}#${known.indexOf(incarnation) + 1}${scope === 'shared' ? '' : ` (${scope})`}`;
    });
  }
}

function nameOfActor(actor: string, peer: string | undefined): string {
  const parts = actor.split('/');
  const withPeer = peer === undefined ? '' : ` with ${peer}`;
  const session = parts.find((part) => part.startsWith('session-'))?.replace('-', ' ');
  const id = parts.at(-1) ?? '';
  if (id === 'node') return '';
  if (id === 'sender' || id === 'receiver') return `${id} of ${session}`;
  return session === undefined ? id.replace(/^peer-/, 'peer ') : `${session}${withPeer}`;
}

function textOfEvent(nodeEvent: Extract<TraceLine, { kind: 'event' }>['nodeEvent']): string {
  if (nodeEvent.type === 'reconfiguration.finished')
    return `tells ${nodeEvent.type} ${describeChanges(nodeEvent.changes)}`;
  const { type, nodeId, failure, authors } = {
    nodeId: undefined,
    failure: undefined,
    authors: undefined,
    ...nodeEvent,
  };
  const about = [nodeId, authors?.join(' ')].filter((part) => part !== undefined);
  return `tells ${[type, ...about].join(' ')}${failure === undefined ? '' : ` (${failure.code})`}`;
}
