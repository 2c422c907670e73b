/** Every `@example` in the sources and every program in the README compiles under the rules of the project. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { typeProblems } from './type-check.js';

/** Declarations that examples assume. Each example is a module of its own, so its own declarations take precedence. */
const givens: Record<string, string> = {
  node: 'statemesh.StatemeshNode',
  database: 'statemesh.StatemeshNode',
  peerStore: 'statemesh.PeerStore',
  articles: 'statemesh.Collection<{ name: string; price: number }>',
  orders: 'statemesh.Collection<{ total: number; open: boolean }>',
  stock: 'statemesh.Collection<{ count: number }>',
  world: 'simulation.World',
  cursor: "statemesh.Cursor | 0 | 'now'",
  signal: 'AbortSignal',
  path: 'string',
  host: 'string',
  port: 'number',
  clusterKey: 'string',
  clusterSalt: 'string',
  network: 'actors.Network',
  configuration: 'statemesh.ConfigurationInput',
  newBoot: '() => statemesh.Boot',
  random: '() => number',
  myDiscovery: "actors.Services['discovery']",
};
/** The imports of examples that have none. */
const imports: Record<string, string> = {
  createNode: '../src/index.js',
  createInspector: '../src/inspector/index.js',
  nodeLogic: '../src/index.js',
  nodeOf: '../src/index.js',
  restoreDatabase: '../src/index.js',
  repairDatabase: '../src/index.js',
  removeStoredPeer: '../src/index.js',
  setDatabaseAside: '../src/index.js',
  nodeStatusOf: '../src/actors/index.js',
  databasesHeldIn: '../src/index.js',
  databasesLeftBehind: '../src/index.js',
  examineDatabase: '../src/index.js',
  examineInstallation: '../src/index.js',
  composeNode: '../src/actors/index.js',
  staticConfiguration: '../src/index.js',
  fileConfiguration: '../src/index.js',
  environmentConfiguration: '../src/index.js',
  remoteConfiguration: '../src/index.js',
  Secret: '../src/index.js',
  createServices: '../src/actors/index.js',
  systemPorts: '../src/actors/index.js',
  PeerType: '../src/index.js',
  deriveClusterKeys: '../src/core/keys.js',
  callControl: '../src/control/client.js',
  streamControl: '../src/control/client.js',
  controlSocketPath: '../src/control/protocol.js',
  createWorld: '../src/simulation/index.js',
  rules: '../src/simulation/index.js',
  createActor: 'xstate',
  sendTo: 'xstate',
  setup: 'xstate',
  waitFor: 'xstate',
  z: 'zod',
};

interface Example {
  readonly name: string;
  readonly code: string;
}

function examplesOf(path: string): Example[] {
  const text = readFileSync(path, 'utf8');
  const blocks = path.endsWith('.md')
    ? [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string)
    : [...text.matchAll(/@example\n([\s\S]*?)(?=\n\s*\*\s@|\n?\s*\*\/)/g)].map((match) =>
        (match[1] as string).replace(/^\s*\* ?/gm, ''),
      );
  return blocks.map((code, index) => ({ name: `${path} ${index + 1}`, code }));
}

function moduleOf({ code }: Example): string {
  const declares = (name: string) => new RegExp(`(const|let) \\{? ?${name}\\b|import \\{[^}]*\\b${name}\\b`).test(code);
  const uses = (name: string) => new RegExp(`\\b${name}\\b`).test(code) && !declares(name);
  const lines = Object.entries(imports).flatMap(([name, from]) =>
    uses(name) ? [`import { ${name} } from '${from}';`] : [],
  );
  const declared = Object.entries(givens).flatMap(([name, type]) =>
    uses(name) ? [`let ${name} = {} as ${type};`] : [],
  );
  return [
    ...lines,
    "import type * as statemesh from '../src/index.js';",
    "import type * as actors from '../src/actors/index.js';",
    "import type * as simulation from '../src/simulation/index.js';",
    ...declared,
    code
      .replaceAll("'statemesh'", "'../src/index.js'")
      .replace(/'statemesh\/(actors|inspector)'/g, "'../src/$1/index.js'")
      .replaceAll("'statemesh/simulation'", "'../src/simulation/index.js'"),
    'export {};',
  ].join('\n');
}

/** Compiles all examples and returns the problems by name. */
function problemsOf(examples: readonly Example[]): string[] {
  const named = new Map(examples.map((example, index) => [`test/example-${index}.ts`, example]));
  const modules = new Map([...named].map(([path, example]) => [path, moduleOf(example)]));
  return typeProblems(modules).map(({ path, message }) => `${named.get(path)?.name}: ${message}`);
}

describe('examples', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  const examples = [...sources.map((path) => join('src', path)), 'README.md'].flatMap(examplesOf);

  it('all of them: compiled -> without a complaint', () => {
    expect(examples.length).toBeGreaterThan(10);
    expect(problemsOf(examples)).toEqual([]);
  }, 60_000);

  it('a wrong one: compiled -> is found', () => {
    expect(problemsOf([{ name: 'wrong', code: "await node.collection('a').putt('k', 1);" }])).toHaveLength(1);
  }, 60_000);
});
