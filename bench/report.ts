/** Results as text and as JSON. */
import { cpus } from 'node:os';
import type { Result, Target } from './bench.js';
import type { Workspace } from './workspace.js';

/** Date, machine and versions: without these a figure says nothing. */
export function describeRun(workspace: Workspace): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} cores of ${cpu?.model.trim() ?? 'an unknown processor'}`;
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${machine}, Node ${process.versions.node} on ${process.platform}, databases on ${workspace.fileSystem}`;
}

/** A table in Markdown, so that it can be pasted, with aligned columns, so that it can be read. */
export function tableOf(results: readonly Result[]): string {
  const head = ['figure', 'value', 'unit', 'limit', 'ratio', 'target', 'note'];
  const rows = results.map((result) => [
    result.name,
    formatNumber(result.value),
    result.unit,
    result.limit === undefined ? '' : formatNumber(result.limit),
    ratioOf(result)?.toFixed(2) ?? '',
    result.target === undefined ? '' : formatTarget(result.target),
    result.note,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |`;
  const rule = widths.map((width, column) => (isNumeric(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return `${[line(head), line(rule), ...rows.map(line)].join('\n')}\n`;
}

export function jsonOf(result: Result): string {
  const { name, unit, value, limit, rounds, target, note } = result;
  return JSON.stringify({
    name,
    unit,
    value: rounded(value),
    limit: limit === undefined ? null : rounded(limit),
    ratio: rounded(ratioOf(result)) ?? null,
    rounds,
    target: target === undefined ? null : formatTarget(target),
    note,
  });
}

/** 41,234 or 2.31: at least three significant digits. */
export function formatNumber(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function ratioOf({ value, limit }: Result): number | undefined {
  return limit === undefined ? undefined : value / limit;
}

function formatTarget(target: Target): string {
  return 'atLeast' in target ? `>= ${target.atLeast}` : `<= ${target.atMost}`;
}

function rounded(value: number): number;
function rounded(value: number | undefined): number | undefined;
function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(5));
}

/** Value, limit and ratio. */
function isNumeric(column: number): boolean {
  return column === 1 || column === 3 || column === 4;
}

function pad(cell: string, width: number, column: number): string {
  return isNumeric(column) ? cell.padStart(width) : cell.padEnd(width);
}
