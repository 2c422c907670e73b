/** Kinds of lines, as `show` and `hide` name them, and which of them are shown. */
import type { TraceLine } from '../../../src/simulation/index.js';

const kinds = [
  'node',
  'membership',
  'peers',
  'sessions',
  'senders',
  'receivers',
  'beacons',
  'frames',
  'heartbeats',
  'connections',
  'requests',
  'commits',
  'acknowledgements',
  'events',
  'ends',
  'world',
] as const;
export type Kind = (typeof kinds)[number];

/** Words that stand for several kinds. */
const groups: Readonly<Record<string, readonly Kind[]>> = {
  all: kinds,
  states: ['node', 'peers', 'sessions'],
  halves: ['senders', 'receivers'],
};

const shownByDefault: readonly Kind[] = ['node', 'peers', 'sessions', 'frames', 'commits', 'events', 'ends'];

/** What a transcript shows of all events. */
export class View {
  readonly #shown = new Set<Kind>(shownByDefault);
  /** Whether nested states are shown. */
  hasSteps = false;
  /** Whether frames show the number of their connection. */
  hasNumbers = false;
  #nodes: ReadonlySet<string> | undefined;

  /** @throws Error when there is no such kind */
  turn(isShown: boolean, words: readonly string[]): void {
    for (const word of words) {
      if (word === 'steps') this.hasSteps = isShown;
      else if (word === 'numbers') this.hasNumbers = isShown;
      else for (const kind of kindsOf(word)) isShown ? this.#shown.add(kind) : this.#shown.delete(kind);
    }
  }

  /** Shows only lines about one of these nodes; about all when there are none. */
  watch(names: readonly string[]): void {
    this.#nodes = names.length === 0 ? undefined : new Set(names);
  }

  shows(line: TraceLine): boolean {
    if (!this.#shown.has(kindOf(line))) return false;
    const nodes = this.#nodes;
    if (nodes === undefined || line.kind === 'world') return true;
    return 'node' in line ? nodes.has(line.node) : nodes.has(line.from) && nodes.has(line.to);
  }
}

function kindsOf(word: string): readonly Kind[] {
  const kind = kinds.find((candidate) => candidate === word);
  const found = kind === undefined ? groups[word] : [kind];
  if (found !== undefined) return found;
  const words = [...kinds, ...Object.keys(groups), 'steps', 'numbers'];
  throw new Error(`there are no "${word}" to show or hide, but ${words.join(', ')}`);
}

function kindOf(line: TraceLine): Kind {
  switch (line.kind) {
    case 'world':
      return 'world';
    case 'state':
      return kindOfActor(line.actor);
    case 'frame':
      return line.frame === 'heartbeat' ? 'heartbeats' : 'frames';
    default:
      return `${line.kind}s`;
  }
}

function kindOfActor(actor: string): Kind {
  const [id = ''] = actor.split('/').slice(-1);
  if (id === 'node' || id === 'membership') return id;
  if (id === 'reconfiguration') return 'node';
  if (id === 'sender' || id === 'receiver') return `${id}s`;
  return id.startsWith('peer-') ? 'peers' : 'sessions';
}
