/** Names from outside are never keys of plain objects. scripts/outside-names.mjs defines such accesses. */
import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from '@jest/globals';

interface Finding {
  /** File and line. */
  readonly where: string;
  readonly file: string;
  readonly text: string;
}

const searched = ['src', 'visualizer/src', 'bench', 'fuzz', 'demo', 'mutants'];

/** Places where such an access is right, with the reason. */
const allowed: ReadonlyMap<string, string> = new Map([
  ['src/core/own.ts', 'the one place that looks up, after it has asked whether the record has the name itself'],
  ['src/core/options.ts', 'methods that a value must have, also by its class: we name them ourselves'],
  ['src/simulation/world-node.ts', 'a Proxy gives what its target has: programs call its methods by name'],
]);

/** By line, whether the access is found. */
const samples: readonly (readonly [line: string, isFound: boolean])[] = [
  ['export const read = record[name];', true],
  ['export const asserted = fixed[name as keyof typeof fixed];', true],
  ['export const branded = record[nodeId];', true],
  ['export const exotic = record[anything as never];', true],
  ['record[name] = 1;', true],
  ['delete record[name];', true],
  ['export const has = name in record;', true],
  ['export const { [name]: taken, ...others } = record;', true],
  ['export const copied = Object.assign({}, record);', true],
  ['export const all = Object.assign({}, ...[record]);', true],
  ['export const reflected: unknown = Reflect.get(record, name);', true],
  ['export const generic = <K extends string>(key: K) => record[key];', true],
  ['export const closed = fixed[side];', false],
  ['export const numbered = list[0];', false],
  ['export const parameter = record[parameterName];', false],
  ['export const mapped = new Map(Object.entries(record)).get(name);', false],
  ['export const made = { [name]: 1, ...record };', false],
  ['export const given = Object.fromEntries([[name, 1]]);', false],
  ['export const literal = "left" in fixed;', false],
  ['export const merged = Object.assign({}, fixed);', false],
];

const sampleFile = 'src/sample-of-outside-names.ts';
const preamble = `declare const record: Record<string, number>, list: number[], name: string, anything: any;
declare const nodeId: string & { readonly brand: 'NodeId' }, side: 'left' | 'right', parameterName: \`p\${number}\`;
const fixed = { left: 1, right: 2 };
`;

describe('names from outside', () => {
  let found: readonly Finding[];
  beforeAll(() => {
    const text = `${preamble}${samples.map(([line]) => line).join('\n')}\n`;
    const input = JSON.stringify({ directories: searched, samples: { [sampleFile]: text } });
    const command = [process.execPath, ['scripts/outside-names.mjs'], { input, encoding: 'utf8' }] as const;
    found = JSON.parse(execFileSync(...command)) as Finding[];
  }, 120_000);

  it('samples: each way to look something up -> found, or right', () => {
    const lines = new Set(found.map(({ where }) => where));
    const first = preamble.split('\n').length;
    const isFound = (index: number) => lines.has(`${sampleFile}:${first + index}`);
    expect(samples.map(([line], index) => [line, isFound(index)])).toEqual(samples);
  });

  it('all that is ours -> looks up in Maps, or by own', () => {
    const ours = found.filter(({ where }) => !where.startsWith(sampleFile));
    expect(ours.filter(({ file }) => !allowed.has(file)).map(({ where, text }) => `${where}  ${text}`)).toEqual([]);
    // An unused exception would hide the next mistake.
    const files = new Set(ours.map(({ file }) => file));
    expect([...allowed.keys()].filter((file) => !files.has(file))).toEqual([]);
  });
});
