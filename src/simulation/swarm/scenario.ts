/** Writes a plan as a test that can be pasted into a file of scenarios, with one fault and one write per line. */
import { kinds, objectWith, readOptions } from '../../core/options.js';
import { plural } from '../../core/plural.js';
import { simulationShape } from '../options.js';
import type { Breach } from '../verdict.js';
import type { Plan } from './plan.js';

/** How a plan is written as a test. */
export interface ScenarioOptions {
  readonly breach: Breach;
  /** The command that the comment names for showing the whole run. */
  readonly command?: string;
}

const scenarioShape = simulationShape<ScenarioOptions>(
  'scenarioOf',
  { breach: objectWith(), command: kinds.text },
  'breach',
);

/** The test expects no breach, as is right once the failure is fixed. */
export function scenarioOf(plan: Plan, options: ScenarioOptions): string {
  const { breach, command } = readOptions(options, scenarioShape);
  const { kind, checker, message, atMs } = breach;
  const { faults, writes, ...rest } = plan;
  const seen = `${kind}: ${checker} at ${atMs.toFixed(1)} ms: ${message}`.replace(/[\s\p{Cc}]+/gu, ' ');
  return [
    `// ${seen}`,
    ...(command === undefined ? [] : [`// Found by ${command}`]),
    `it(${literal(`seed ${plan.seed}: ${checker}, ${subjectOf(plan)} -> nothing broken`)}, async () => {`,
    '  const verdict = await playPlan({',
    ...Object.entries(rest).map(([name, value]) => `    ${name}: ${literal(value)},`),
    ...listed('faults', faults),
    ...listed('writes', writes),
    '  });',
    '  expect(verdict.breach).toBeUndefined();',
    '});',
  ].join('\n');
}

/** Which faults strike, and how much is written. */
function subjectOf({ faults, writes }: Plan): string {
  const kinds = [...new Set(faults.map(({ kind }) => kind))];
  const struck = kinds.length === 0 ? 'no faults' : kinds.join(' and ');
  return `${struck} with ${writes.length} ${plural(writes.length, 'write')}`;
}

function listed(name: string, items: readonly object[]): string[] {
  if (items.length === 0) return [`    ${name}: [],`];
  return [`    ${name}: [`, ...items.map((item) => `      ${literal(item)},`), '    ],'];
}

/** A value of plain data as TypeScript, in the project's format. */
export function literal(value: unknown): string {
  if (typeof value === 'number') return numeral(value);
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = Object.entries(value).map(([name, field]) => `${nameOf(name)}: ${literal(field)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** Numbers of at least 1,000 get underscores between the thousands. */
function numeral(value: number): string {
  const [, sign = '', whole = '', rest = ''] = /^(-?)(\d+)(\.\d+)?$/.exec(String(value)) ?? [];
  return whole === '' ? String(value) : `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, '_')}${rest}`;
}

function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}'`;
}

function nameOf(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}
