/** The result of the hunt, as text and as JSON. */
import type { FalseAlarm } from './control.js';
import type { Hunted, Outcome } from './hunt.js';

/** A table in Markdown, so that it can be pasted, with aligned columns, so that it can be read. */
export function tableOf(all: readonly Hunted[]): string {
  const head = ['bug', 'what is wrong', 'caught by', 'seeds', 'of at most'];
  const rows = all.map(({ mutant: { name, bug, seedsMax }, outcome }) => [
    name,
    bug,
    caughtBy(outcome),
    'seed' in outcome ? String(outcome.seed) : '',
    String(seedsMax),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |`;
  const rule = widths.map((width, column) => (isNumeric(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return `${[line(head), line(rule), ...rows.map(line)].join('\n')}\n`;
}

function caughtBy(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'caught':
      return `${outcome.breach.kind}: ${outcome.breach.checker}`;
    case 'mistaken':
      return `**mistaken** for ${outcome.breach.kind}: ${outcome.breach.checker}`;
    default:
      return `**${outcome.kind}**`;
  }
}

/** For `--json`. */
export function jsonOf({ mutant: { name, bug, seedsMax }, outcome, elapsedMs }: Hunted): string {
  // A message may show a whole document.
  const short =
    'breach' in outcome ? { breach: { ...outcome.breach, message: shortened(outcome.breach.message) } } : {};
  return JSON.stringify({ name, bug, outcome: { ...outcome, ...short }, seedsMax, elapsedMs: Math.round(elapsedMs) });
}

/** One line during the hunt. */
export function lineOf({ mutant: { name, seedsMax }, outcome, elapsedMs }: Hunted): string {
  const seconds = `${(elapsedMs / 1_000).toFixed(1)} s`;
  switch (outcome.kind) {
    case 'caught':
    case 'mistaken': {
      const { kind, checker, message } = outcome.breach;
      const title = outcome.kind === 'caught' ? 'caught  ' : 'MISTAKEN';
      return `${title} ${name}, seed ${outcome.seed} of ${seedsMax}, ${seconds}: ${kind}: ${checker}: ${shortened(message)}`;
    }
    case 'escaped':
      return `ESCAPED  ${name}, ${seedsMax} seeds, ${seconds}`;
    case 'stale':
      return `STALE    ${name}: ${outcome.message}`;
  }
}

export function alarmLineOf({ plan, verdict: { seed, breach } }: FalseAlarm): string {
  const seen = breach && `${breach.kind}: ${breach.checker}: ${breach.message}`;
  return `FALSE ALARM without any bug, seed ${seed} of ${JSON.stringify(plan)}: ${seen}`;
}

const messageCharactersMax = 160;

function shortened(message: string): string {
  const line = message.replace(/\s+/g, ' ');
  return line.length > messageCharactersMax ? `${line.slice(0, messageCharactersMax)}...` : line;
}

function isNumeric(column: number): boolean {
  return column >= 3;
}

function pad(cell: string, width: number, column: number): string {
  return isNumeric(column) ? cell.padStart(width) : cell.padEnd(width);
}
