/**
 * The dependency law: each room may import only some others, type imports included. Also the ban on ambient time and
 * randomness, without which nothing could be simulated.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { limits } from '../src/core/limits.js';

const source = resolve('src');

const values = ['core', 'wire', 'ports', 'remote-peers', 'configuration'];

/** For each room, the rooms that its files may import besides their own. Rooms that are not listed are forbidden. */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  wire: ['core'],
  ports: ['core', 'wire'],
  'remote-peers': ['core', 'ports'],
  configuration: ['core', 'ports', 'remote-peers'],
  actors: values,
  machines: [...values, 'actors'],
  adapters: ['core', 'ports'],
  store: ['core', 'ports'],
  database: ['core', 'ports'],
  metrics: ['core', 'ports'],
  providers: ['core', 'ports', 'configuration', 'adapters'],
  control: ['core', 'ports', 'adapters'],
  // Watches from outside: it gets all its information from XState.
  inspector: ['core', 'ports', 'adapters', 'actors'],
  // The room that does the work fills the slot.
  services: [...values, 'actors', 'adapters', 'control', 'inspector', 'metrics', 'store'],
  // The composition root.
  node: [
    ...values,
    ...['actors', 'machines', 'adapters', 'store', 'database', 'providers', 'control', 'services', 'inspector'],
  ],
  // A second composition root, over virtual ports.
  simulation: [
    ...values,
    ...['actors', 'machines', 'adapters', 'store', 'database', 'providers', 'services', 'inspector', 'node', 'index'],
  ],
  index: [
    ...values,
    ...['actors', 'machines', 'adapters', 'store', 'database', 'providers', 'control', 'inspector', 'node'],
  ],
  // The entry points of the package: they only export.
  'actors/index': [...values, 'actors', 'adapters', 'control', 'machines', 'node'],
  'inspector/index': ['inspector'],
  'simulation/index': ['simulation'],
  // A user like any other: it uses the entry points, the control socket, and the words of configurations, which load no
  // node.
  cli: ['index', 'inspector/index', 'simulation/index', 'simulation', 'control', 'configuration', 'remote-peers'],
};

/** The `node:` modules that a room may use. Rooms that are not listed may use all. */
const nodeModules: Record<string, readonly string[]> = {
  core: ['node:crypto', 'node:util/types'],
  wire: ['node:buffer', 'node:module'],
  ports: [],
  'remote-peers': ['node:crypto'],
  configuration: ['node:path'],
  actors: [],
  machines: [],
  database: [],
};

/** A machine imports machines below it only. */
const machineOrder = [
  'node',
  'reconfiguration',
  'election',
  'membership',
  'reception',
  'ward',
  'uplink',
  'gateway',
  'peer',
  'session',
  'credential',
  'receiver',
  'sender',
];

const ambient =
  /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|randomUUID|randomBytes|getRandomValues|hrtime|process\.nextTick)\b|(?<![.\w])(setTimeout|setInterval|setImmediate)\(/;
/** Adapters are the ambient world; the command line and the composition root stand outside the node. */
const ambientAllowed = ['adapters', 'cli'];
/** A real turn of the event loop between two virtual events. */
const ambientAllowedFiles = ['simulation/pending-work.ts'];

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly imports: readonly string[];
  readonly code: string;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path): SourceFile => {
    const text = readFileSync(join(source, path), 'utf8');
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
    const imports = [...code.matchAll(/(?:\bfrom|\bimport\(?)\s*'([^']+)'/g)].map((match) => match[1] as string);
    return { path, room: roomOf(path), imports, code };
  });

function roomOf(path: string): string {
  if (['actors', 'inspector', 'simulation'].some((room) => path === `${room}/index.ts`)) return path.slice(0, -3);
  return path.includes('/') ? (path.split('/')[0] as string) : path.replace(/\.ts$/, '');
}

function targetOf(file: SourceFile, specifier: string): string {
  return relative(source, resolve(source, dirname(file.path), specifier)).replace(/\.js$/, '.ts');
}

const targetsOf = new Map(
  files.map((file) => {
    const ours = file.imports.filter((specifier) => specifier.startsWith('.'));
    return [file.path, ours.map((specifier) => targetOf(file, specifier))];
  }),
);

/** The shortest path over imports from a file back to itself, as one text; empty if there is none. */
function circleThrough(start: string): string[] {
  const from = new Map<string, string>();
  const waiting = [start];
  for (const path of waiting) {
    for (const target of targetsOf.get(path) ?? []) {
      if (target === start) {
        const way = [start];
        for (let step = path; step !== start; step = from.get(step) as string) way.unshift(step);
        return [[start, ...way].join(' -> ')];
      }
      if (from.has(target)) continue;
      from.set(target, path);
      waiting.push(target);
    }
  }
  return [];
}

function linesOf(path: string): number {
  return readFileSync(join(source, path), 'utf8').split('\n').length - 1;
}

function violations(check: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap((file) => check(file).map((problem) => `${file.path}: ${problem}`));
}

describe('the dependency law', () => {
  it('source: all of it -> is read', () => {
    const rooms = new Set(files.map(({ room }) => room));
    expect(Object.keys(mayImport).sort()).toEqual([...rooms].sort());
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(100);
  });

  it('rooms: any import -> only of rooms they may know', () => {
    const found = violations(({ path, room, imports, code }) => {
      const allowed = mayImport[room] ?? [];
      return imports
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => targetOf({ path, room, imports, code }, specifier))
        .filter((target) => roomOf(target) !== room && !allowed.includes(roomOf(target)));
    });
    expect(found).toEqual([]);
  });

  it('files: importing each other, types too -> never in a circle', () => {
    expect(files.flatMap(({ path }) => circleThrough(path))).toEqual([]);
  });

  it('files: one name in two rooms -> only where the room says which of the two it is', () => {
    // A service has the name of its slot, a command's file that of the command, a simulated part that of the real one.
    const namesakes = ['services', 'cli', 'simulation'];
    const places = new Map<string, string>();
    const found = files
      .filter(({ path, room }) => !namesakes.includes(room) && basename(path) !== 'index.ts')
      .flatMap(({ path }) => {
        const other = places.get(basename(path));
        places.set(basename(path), path);
        return other === undefined ? [] : [`${other} and ${path}`];
      });
    expect(found).toEqual([]);
  });

  it('rooms: a node: module -> only where it is allowed', () => {
    const found = violations(({ room, imports }) => {
      const allowed = nodeModules[room];
      return allowed === undefined ? [] : imports.filter((name) => name.startsWith('node:') && !allowed.includes(name));
    });
    expect(found).toEqual([]);
  });

  it('machines: importing each other -> only downwards', () => {
    const found = violations((file) => {
      if (file.room !== 'machines') return [];
      const rank = machineOrder.indexOf(machineOf(file.path));
      const below = (targetsOf.get(file.path) ?? []).filter((path) => path.endsWith('.machine.ts')).map(machineOf);
      // The chart and the actions of a machine are two files of one machine.
      const others = below.filter((name) => name !== machineOf(file.path));
      return rank < 0 ? ['has no rank'] : others.filter((name) => machineOrder.indexOf(name) <= rank);
    });
    expect(found).toEqual([]);
  });

  it('machines: any file -> has at most 400 lines', () => {
    const long = files.filter(({ path, room }) => room === 'machines' && linesOf(path) > 400);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it('slots: each of them -> is filled by the file of its name, and composed', () => {
    const textOf = (path: string) => files.find((file) => file.path === path)?.code ?? '';
    const slots = [...textOf('actors/slots.ts').matchAll(/export const (\w+) = (?:promise|callback)Slot/g)];
    const names = slots.map((match) => match[1] as string);
    expect(names.length).toBeGreaterThan(20);
    const isFilled = (name: string) => {
      const file = `services/${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}.ts`;
      const create = `create${name[0]?.toUpperCase()}${name.slice(1)}`;
      return (
        textOf(file).includes(`export function ${create}(`) && textOf('node/compose.ts').includes(`${name}: ${create}(`)
      );
    };
    expect(names.filter((name) => !isFilled(name))).toEqual([]);
  });

  it('SQL: better-sqlite3 -> only in the store', () => {
    const found = violations(({ room, imports }) =>
      room === 'store' ? [] : imports.filter((name) => /sqlite3/.test(name)),
    );
    expect(found).toEqual([]);
  });

  it('time and randomness: ambient -> only in adapters and the command line', () => {
    const found = violations(({ path, room, code }) =>
      ambientAllowed.includes(room) || ambientAllowedFiles.includes(path)
        ? []
        : (code.match(ambient) ?? []).slice(0, 1),
    );
    expect(found).toEqual([]);
  });
});

describe('entry points', () => {
  it('each of them: its code -> nothing but exports', () => {
    const entries = files.filter(({ path }) => /^(\w+\/)?index\.ts$/.test(path));
    expect(entries.map(({ path }) => path).sort()).toEqual([
      ...['actors/index.ts', 'index.ts', 'inspector/index.ts', 'simulation/index.ts'],
    ]);
    const statements = entries.flatMap(({ code }) => code.match(/^(?!export\b|[\s}]|$).*/gm) ?? []);
    expect(statements).toEqual([]);
  });
});

describe('limits', () => {
  it('each of them -> is kept somewhere, and has a test that names it', () => {
    const tests = readdirSync('test', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join('test', path), 'utf8'))
      .join('\n');
    const code = files.filter(({ path }) => path !== 'core/limits.ts').map((file) => file.code);
    const isNamed = (name: string, text: string) => new RegExp(`\\b${name}\\b`).test(text);
    const names = Object.keys(limits);
    expect(names.filter((name) => !isNamed(name, code.join('\n')))).toEqual([]);
    expect(names.filter((name) => !isNamed(name, tests))).toEqual([]);
  });
});

function machineOf(path: string): string {
  return /([a-z]+)(?:\.machine|-actions|-context|-frames)\.ts$/.exec(path)?.[1] ?? path;
}
