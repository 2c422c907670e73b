/**
 * Writes on all nodes at once, some of them to the same documents, and the writes that must win.
 *
 * The rule is last write wins by hybrid logical clock; among equal stamps the greater NodeId wins. Each node reports
 * the stamp of each of its writes, so the result can be computed outside and compared with what every node holds in the
 * end.
 */
import type { City } from './cities.js';
import type { ClusterNode, MemberName } from './cluster-node.js';

type Member = ClusterNode<MemberName>;

const notesPerNode = 100;
const contestedCities = 100;
/** node-c deletes one in this many contested cities, which the others write. */
const deletionInterval = 4;
const deletionsPerNode = 50;
const callsInFlightMax = 8;

/** The cities that are written. */
export interface WritePlan {
  readonly contested: readonly City[];
  readonly deleted: Readonly<Record<MemberName, readonly City[]>>;
}

/** What must be the same on all nodes afterwards. */
export interface WriteResult {
  readonly writes: number;
  readonly notes: number;
  readonly cities: number;
  /** The last write to each contested city. */
  readonly last: ReadonlyMap<string, Write>;
}

export interface Write {
  readonly node: MemberName;
  readonly hlc: number;
  readonly isDeletion: boolean;
}

/** Leaves the cities of one country unchanged. */
export function planWrites(cities: readonly City[], keptCountry: string): WritePlan {
  const bySize = cities.filter(({ country }) => country !== keptCountry).sort((a, b) => b.population - a.population);
  const smallest = bySize.slice(-3 * deletionsPerNode);
  const part = (index: number) => smallest.slice(index * deletionsPerNode, (index + 1) * deletionsPerNode);
  return {
    contested: bySize.slice(0, contestedCities),
    deleted: { 'node-a': part(0), 'node-b': part(1), 'node-c': part(2) },
  };
}

/** Resolves when every write is on the disk of its node. */
export async function writeEverywhere(
  nodes: readonly Member[],
  { contested, deleted }: WritePlan,
  cities: number,
): Promise<WriteResult> {
  const last = new Map<string, Write>();
  const contend = async (node: Member, city: City, isDeletion: boolean): Promise<void> => {
    const hlc = isDeletion ? await remove(node, city) : await sign(node, city);
    const write = { node: node.name, hlc, isDeletion };
    const key = keyOf(city);
    if (isLater(write, last.get(key))) last.set(key, write);
  };
  const tasks = nodes.map((node) => [
    ...contested.map((city, index) => {
      const isDeletion = node.name === 'node-c' && index % deletionInterval === 0;
      return () => contend(node, city, isDeletion);
    }),
    ...deleted[node.name].map((city) => () => remove(node, city)),
    ...Array.from({ length: notesPerNode }, (_, index) => () => note(node, index)),
  ]);
  await Promise.all(tasks.map(runAll));
  const deletionsThatWon = [...last.values()].filter(({ isDeletion }) => isDeletion).length;
  return {
    writes: tasks.flat().length,
    notes: nodes.length * notesPerNode,
    cities: cities - nodes.length * deletionsPerNode - deletionsThatWon,
    last,
  };
}

/** How a node's contested cities differ from the expected result; undefined when they do not. */
export async function differenceOf(node: Member, { last }: WriteResult): Promise<string | undefined> {
  const found = new Map<string, string>();
  const body = { collection: 'cities', where: { signedBy: { $in: ['node-a', 'node-b', 'node-c'] } } };
  for await (const { key, document } of node.stream<{ key: string; document: { signedBy: string } }>('find', {
    body,
  })) {
    found.set(key, document.signedBy);
  }
  for (const [key, { node: winner, isDeletion }] of last) {
    const expected = isDeletion ? undefined : winner;
    if (found.get(key) === expected) continue;
    const actual = found.get(key) ?? 'no signature';
    return `${node.name} has ${actual} on city ${key}; the last write was ${isDeletion ? 'a deletion' : 'a put'} by ${winner}`;
  }
  return undefined;
}

async function sign(node: Member, city: City): Promise<number> {
  const body = { collection: 'cities', key: keyOf(city), document: { ...city, signedBy: node.name } };
  return (await node.call<{ hlc: number }>('put', body)).hlc;
}

/** Deleting a city that another node has deleted before changes nothing. */
async function remove(node: Member, city: City): Promise<number> {
  const body = { collection: 'cities', key: keyOf(city) };
  return (await node.call<{ hlc?: number }>('delete', body)).hlc ?? 0;
}

async function note(node: Member, index: number): Promise<void> {
  const document = { text: `Note ${index} of ${node.name}` };
  await node.call('put', { collection: 'notes', key: `${node.name}-${index}`, document });
}

/** By stamp, then by NodeId. */
function isLater(write: Write, other: Write | undefined): boolean {
  if (other === undefined || write.hlc !== other.hlc) return write.hlc > (other?.hlc ?? 0);
  return write.node > other.node;
}

/** A few at a time: a node accepts a bounded number of callers at once. */
export async function runAll(tasks: readonly (() => Promise<unknown>)[]): Promise<void> {
  const rest = tasks.values();
  const work = async (): Promise<void> => {
    for (const task of rest) await task();
  };
  await Promise.all(Array.from({ length: callsInFlightMax }, work));
}

function keyOf({ cityId }: City): string {
  return String(cityId);
}
