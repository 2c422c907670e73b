/**
 * What a transcript can do: the API of the world as words. Each command is one row.
 *
 * `put`, `delete` and `fill` wait until the write is on disk, unless they end in `&`.
 */
import { millisecondsOf } from '../../../src/simulation/clock.js';
import type { Backup, Duration, Topology, Weather, World, WorldNode } from '../../../src/simulation/index.js';
import { latency, oneWay } from '../../../src/simulation/network/rules.js';
import { peersOf, statusOf } from './questions.js';

/** What a command may use. */
export interface Stage {
  readonly world: World;
  readonly backups: Map<WorldNode, Backup>;
  /** @throws Error when there is no node of that name */
  node(name: string | undefined): WorldNode;
  /** Adds a line to the output. */
  say(where: string, text: string): void;
  /** A node that lines may be about from now on, by its name. */
  meet(name: string): void;
}

interface CommandRow {
  /** The text of the error for a wrong use. */
  readonly usage: string;
  run(stage: Stage, words: readonly string[]): void | Promise<void>;
}

/** @throws Error when there is no such command, or it is used wrongly */
export async function perform(stage: Stage, text: string): Promise<void> {
  const [name = '', ...words] = text.split(/\s+/);
  const row = commands[name];
  if (row === undefined) throw new Error(`there is no command "${name}", but ${Object.keys(commands).join(', ')}`);
  try {
    await row.run(stage, words);
  } catch (error) {
    if (error instanceof UsageError) throw new Error(`use: ${row.usage}`);
    throw error;
  }
}

class UsageError extends Error {}

const topologies: readonly string[] = ['mesh', 'ring', 'chain', 'star'] satisfies Topology[];

const commands: Readonly<Record<string, CommandRow>> = {
  lan: {
    usage: 'lan SEGMENT [mesh|ring|chain|star] NODE... [OPTION=VALUE...]',
    run(stage, [segment, ...words]) {
      const [topology, names] = topologies.includes(words[0] ?? '') ? [words[0], words.slice(1)] : ['mesh', words];
      const { settings, rest } = settingsIn(names);
      if (segment === undefined || rest.length === 0) throw new UsageError();
      for (const name of rest) stage.meet(name);
      stage.world.lan(segment, rest, { ...settings, topology: topology as Topology });
    },
  },
  bridge: {
    usage: 'bridge NODE SEGMENT',
    run: ({ world, node }, [name, segment]) => world.bridge(node(name), given(segment)),
  },

  run: { usage: 'run 10s', run: ({ world }, [duration]) => world.run(durationOf(duration)) },
  until: {
    usage: 'until converged|meshed|up... [within 60s]',
    async run({ world, say }, words) {
      const split = words.indexOf('within');
      const [names, within] = split < 0 ? [words, '60s'] : [words.slice(0, split), words[split + 1]];
      const conditions = names.map((name) => conditionsOf(world)[name] ?? misused());
      await world.until(() => conditions.every((holds) => holds()), { within: durationOf(within) });
      say('world', names.join(', '));
    },
  },
  settle: {
    usage: 'settle within 60s',
    async run({ world, say }, [, within]) {
      await world.settle({ within: durationOf(within) });
      say('world', 'all are up, connected, agreed and at rest');
    },
  },

  put: {
    usage: 'put NODE COLLECTION/KEY JSON [&]',
    run: (stage, [name, path, ...json]) =>
      write(stage, name, json, `put ${path}`, (node, words) => {
        const { collection, key } = placeOf(path);
        return node.collection(collection).put(key, JSON.parse(words.join(' ')));
      }),
  },
  delete: {
    usage: 'delete NODE COLLECTION/KEY [&]',
    run: (stage, [name, path, ...rest]) =>
      write(stage, name, rest, `delete ${path}`, (node) => {
        const { collection, key } = placeOf(path);
        return node.collection(collection).delete(key);
      }),
  },
  fill: {
    usage: 'fill NODE COLLECTION COUNT [BYTES] [&]: documents k1, k2, ... of so many bytes',
    run: (stage, [name, collection, ...rest]) =>
      write(stage, name, rest, `fill ${collection}`, (node, [count, bytes = '10']) => {
        const text = 'x'.repeat(Number(bytes));
        const documents = Array.from({ length: Number(given(count)) }, (_, index) => [`k${index + 1}`, text] as const);
        return node.collection(given(collection)).putMany(documents);
      }),
  },
  get: {
    usage: 'get NODE COLLECTION/KEY',
    async run(stage, [name, path]) {
      const node = stage.node(name);
      const { collection, key } = placeOf(path);
      const document = await node.collection(collection).get(key);
      stage.say(node.name, document === undefined ? `${path} is not there` : `${path} is ${JSON.stringify(document)}`);
    },
  },
  count: {
    usage: 'count NODE COLLECTION',
    async run(stage, [name, collection]) {
      const node = stage.node(name);
      stage.say(node.name, `${await node.collection(given(collection)).count()} ${collection}`);
    },
  },
  peers: { usage: 'peers NODE', run: (stage, [name]) => peersOf(stage, stage.node(name)) },
  status: { usage: 'status NODE', run: (stage, [name]) => statusOf(stage, stage.node(name)) },

  partition: {
    usage: 'partition NODE... | NODE...; with > only what the first send to the second is cut',
    run({ world, node }, words) {
      const { from, to, sign } = sidesOf(words, ['|', '>']);
      world.partition(from.map(node), to.map(node), { oneWay: sign === '>' });
    },
  },
  heal: { usage: 'heal', run: ({ world }) => world.heal() },
  clog: {
    usage: 'clog NODE > NODE 2s',
    run({ world, node }, [from, , to, duration]) {
      world.clog(node(from), node(to), durationOf(duration));
    },
  },
  delay: {
    usage: 'delay NODE > NODE 50ms: so long is the way from now on, until heal',
    run({ world, node }, [from, , to, duration]) {
      const ms = millisecondsOf(durationOf(duration));
      world.rule(latency({ kind: 'constant', ms }, oneWay(node(from).address, node(to).address)));
    },
  },
  reset: { usage: 'reset NODE NODE', run: ({ world, node }, [a, b]) => world.reset(node(a), node(b)) },
  loss: {
    usage: 'loss 60%',
    run: ({ world }, [share = '']) => world.loss(Number(share.replace('%', '')) / 100),
  },
  weather: {
    usage: 'weather latencyMs=20 jitterMs=5 loss=0.1 duplication=0.1',
    run: ({ world }, words) => world.weather(settingsIn(words).settings as Partial<Weather>),
  },

  reconfigure: {
    usage: 'reconfigure NODE OPTION=VALUE... [&]',
    async run({ world, node, say }, [name, ...words]) {
      const target = node(name);
      const { settings } = settingsIn(words);
      const asked = world.reconfiguring(target, settings, 'then');
      const refused = (error: { code?: unknown }) => say(target.name, `is not reconfigured: ${error.code ?? error}`);
      if (words.at(-1) === '&') asked.catch(refused);
      else await world.complete(asked).catch(refused);
    },
  },

  occupy: {
    usage: 'occupy NODE PORT: some other program listens there from now on',
    run: ({ world, node }, [name, port]) => void world.occupy(node(name), Number(given(port))),
  },

  crash: { usage: 'crash NODE', run: ({ world, node }, [name]) => world.crash(node(name)) },
  'crash-at': {
    usage: 'crash-at NODE commit|acknowledgement',
    run({ world, node }, [name, moment]) {
      if (moment !== 'commit' && moment !== 'acknowledgement') throw new UsageError();
      world.crashAt(node(name), moment);
    },
  },
  spare: { usage: 'spare NODE', run: ({ world, node }, [name]) => world.spare(node(name)) },
  restart: { usage: 'restart NODE', run: ({ world, node }, [name]) => world.restart(node(name)) },
  stop: { usage: 'stop NODE', run: ({ world, node }, [name]) => world.stop(node(name)) },
  skew: { usage: 'skew NODE +5min', run: ({ world, node }, [name, by]) => world.skew(node(name), durationOf(by)) },
  unskew: { usage: 'unskew NODE', run: ({ world, node }, [name]) => world.unskew(node(name)) },
  'fill-disk': { usage: 'fill-disk NODE', run: ({ world, node }, [name]) => world.fillDisk(node(name)) },
  'free-disk': { usage: 'free-disk NODE', run: ({ world, node }, [name]) => world.freeDisk(node(name)) },
  'back-up': {
    usage: 'back-up NODE',
    run: ({ world, node, backups }, [name]) => void backups.set(node(name), world.backUp(node(name))),
  },
  restore: {
    usage: 'restore NODE: the last that was backed up',
    run: ({ world, node, backups }, [name]) => world.restore(node(name), backups.get(node(name)) ?? misused()),
  },
  tear: {
    usage: 'tear NODE 50%: so much of its log stays',
    run: ({ world, node }, [name, share = '']) => world.tear(node(name), Number(share.replace('%', '')) / 100),
  },
  clone: {
    usage: 'clone NODE: the first is called NODE(2)',
    run(stage, [name]) {
      stage.meet(`${name}(2)`);
      stage.world.clone(stage.node(name));
    },
  },
};

function conditionsOf(world: World): Readonly<Record<string, () => boolean>> {
  return {
    converged: () => world.converged(),
    meshed: () => world.meshed(),
    up: () => world.nodes.every(({ isUp }) => isUp),
  };
}

/** Runs a write to its end or, with `&` as the last word, only starts it. Reports its failure. */
async function write(
  { node, say }: Stage,
  name: string | undefined,
  words: readonly string[],
  what: string,
  begin: (node: Pick<WorldNode, 'collection'>, words: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const writer = node(name);
  const waits = words.at(-1) !== '&';
  const refused = (error: { code?: unknown }) => say(writer.name, `${what} refused: ${error.code ?? error}`);
  if (waits) await begin(writer, words).catch(refused);
  else begin(writer.node, words.slice(0, -1)).catch(refused);
}

/** Words of the form `name=value`; the value is JSON, or a text. */
function settingsIn(words: readonly string[]): { settings: Record<string, unknown>; rest: string[] } {
  const settings: Record<string, unknown> = {};
  const rest: string[] = [];
  for (const word of words) {
    const [, name, value] = /^(\w+)=(.+)$/.exec(word) ?? [];
    if (name === undefined || value === undefined) rest.push(word);
    else settings[name] = /^[\d[{"tf]/.test(value) ? JSON.parse(value) : value;
  }
  return { settings, rest };
}

function sidesOf(words: readonly string[], signs: readonly string[]) {
  const split = words.findIndex((word) => signs.includes(word));
  if (split < 1 || split === words.length - 1) throw new UsageError();
  return { from: words.slice(0, split), to: words.slice(split + 1), sign: words[split] };
}

function placeOf(path: string | undefined): { collection: string; key: string } {
  const [collection, key] = (path ?? '').split('/');
  if (collection === undefined || key === undefined) throw new UsageError();
  return { collection, key };
}

/** The world reports an invalid duration itself. */
function durationOf(word: string | undefined): Duration {
  return given(word) as Duration;
}

function given(word: string | undefined): string {
  return word ?? misused();
}

function misused(): never {
  throw new UsageError();
}
