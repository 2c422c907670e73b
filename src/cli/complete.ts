/**
 * `statemesh complete`: prints the possible words at the cursor, for the scripts of `statemesh completion`. It asks the
 * commands themselves, and the running node for names of collections, keys and peers.
 *
 * Invariants: it prints only candidates, one per line, with a tab and a description where there is one. It never fails,
 * and never waits long for a node. Names with control characters are left out.
 */
import { type Command, Option } from 'commander';
import { configurationFields } from '../configuration/fields.js';
import { errorCodes } from '../control/protocol.js';
import type { RemotePeer } from '../remote-peers/remote-peer.js';
import type { PlaceOptions } from './configuration-file.js';
import { nodeAt } from './node-at.js';
import { clean, print } from './output.js';

/** Instead of a candidate: files may stand here, or no blank follows the candidate. */
const directives = { files: ':files', noSpace: ':nospace' } as const;
/** A user at the prompt waits for a node no longer than this. */
const answerWithinMs = 500;
/** More candidates than this are no help. */
const namesMax = 100;

interface Candidate {
  readonly value: string;
  readonly summary?: string;
}

export function defineComplete(command: Command): void {
  command
    .argument('<shell>', 'bash splits words at = and :')
    .argument('[words...]', 'the words after the name of the program; the last one is incomplete')
    .action(async (shell: string, words: string[]) => {
      const { typed, offset } = shell === 'bash' ? withoutSplits(words) : { typed: words, offset: 0 };
      const current = typed.at(-1) ?? '';
      const found = await candidates(command.parent as Command, typed).catch(() => []);
      for (const { value, summary = '' } of found) {
        if (isDirective({ value })) print(value);
        else if (value.startsWith(current) && clean(value) === value) print(`${value.slice(offset)}\t${summary}`);
      }
    });
}

/**
 * The words as they were before bash split them at `=` and `:`, and how much of the last one stands before the part
 * that bash completes.
 */
function withoutSplits(words: readonly string[]): { typed: string[]; offset: number } {
  const typed: string[] = [];
  let offset = 0;
  for (const [index, word] of words.entries()) {
    const isPart = typed.length > 0 && (isSplit(word) || isSplit(words[index - 1] ?? ''));
    offset = 0;
    if (!isPart) typed.push(word);
    else {
      const before = typed.pop() ?? '';
      typed.push(before + word);
      offset = isSplit(word) ? before.length + word.length : before.length;
    }
  }
  return { typed, offset };
}

/** The characters that bash treats as words of their own (COMP_WORDBREAKS). */
function isSplit(word: string): boolean {
  return /^[=:]+$/.test(word);
}

async function candidates(program: Command, typed: readonly string[]): Promise<Candidate[]> {
  const [name, ...rest] = typed;
  if (name === undefined || rest.length === 0) {
    const known = program.commands.filter((each) => each.name() !== 'complete').map(commandCandidate);
    return [...known, { value: '--help' }, { value: '--version' }];
  }
  const command = named(program, name);
  if (command === undefined) return [];
  const [first = '', ...others] = rest;
  if (command.commands.length === 0) return within(command, rest);
  if (others.length === 0) return command.commands.map(commandCandidate);
  const sub = named(command, first);
  return sub === undefined ? [] : within(sub, others);
}

function named(parent: Command, name: string): Command | undefined {
  return parent.commands.find((each) => each.name() === name);
}

function commandCandidate(command: Command): Candidate {
  return { value: command.name(), summary: firstSentence(command.description()) };
}

/** @param words The words after the command's name */
async function within(command: Command, words: readonly string[]): Promise<Candidate[]> {
  const current = words.at(-1) ?? '';
  const options = [...command.options.filter(({ hidden }) => !hidden), new Option('--help', 'show what it does')];
  const taking = (word: string) =>
    options.find(({ short, long, required, optional }) => [short, long].includes(word) && (required || optional));
  const before = words.slice(0, -1);
  const previous = before.at(-1);
  const awaiting = previous === undefined ? undefined : taking(previous);
  if (awaiting?.required) return optionValues(awaiting);
  const [flag = '', value] = current.split('=', 2);
  const assigned = value === undefined ? undefined : taking(flag);
  if (assigned !== undefined) {
    return optionValues(assigned).map((each) =>
      isDirective(each) ? each : { ...each, value: `${flag}=${each.value}` },
    );
  }
  if (current.startsWith('-')) {
    return options.flatMap(({ long, description }) =>
      long == null ? [] : [{ value: long, summary: firstSentence(description) }],
    );
  }
  const values = before.filter((word, index) => !word.startsWith('-') && !taking(before[index - 1] ?? '')?.required);
  return argumentValues(command, values, current, placeIn(before));
}

/** Where the node is, according to the words. */
function placeIn(words: readonly string[]): PlaceOptions {
  const given = (flag: string): string | undefined => {
    const index = words.findLastIndex((word) => word === flag || word.startsWith(`${flag}=`));
    if (index === -1) return undefined;
    return words[index] === flag ? words[index + 1] : words[index]?.slice(flag.length + 1);
  };
  return { config: given('--config'), dataDir: given('--data-dir') };
}

function optionValues({ flags, argChoices }: Option): Candidate[] {
  const [, shape = ''] = /[<[]([^>\]]*)[>\]]/.exec(flags) ?? [];
  if (shape === 'file' || shape === 'path') return [{ value: directives.files }];
  const choices = argChoices ?? (shape.includes('|') ? shape.split('|') : []);
  return choices.map((value) => ({ value }));
}

async function argumentValues(
  command: Command,
  before: readonly string[],
  current: string,
  place: PlaceOptions,
): Promise<Candidate[]> {
  const known = command.registeredArguments;
  const argument = known[before.length] ?? (known.at(-1)?.variadic ? known.at(-1) : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices.map((value) => ({ value }));
  switch (argument.name()) {
    case 'collection':
      return [...(await collections(place)), ...(command.name() === 'import' ? [{ value: directives.files }] : [])];
    case 'key':
      return keys(before[0] ?? '', current, place);
    case 'node-id':
      return peers(place);
    case 'field':
      return fields();
    case 'assignments':
      return assignments(current);
    case 'code':
      return Object.entries(errorCodes).map(([value, summary]) => ({ value, summary: firstSentence(summary) }));
    case 'file':
    case 'trace':
      return [{ value: directives.files }];
    default:
      return [];
  }
}

function fields(): Candidate[] {
  const shown = configurationFields().filter(({ name }) => name !== 'clusterKey');
  return shown.map(({ name, description }) => ({ value: name, summary: firstSentence(description) }));
}

/** `field=`, and after it the values of the field. */
function assignments(current: string): Candidate[] {
  const [name, value] = current.split('=', 2);
  if (value === undefined) {
    return [{ value: directives.noSpace }, ...fields().map((each) => ({ ...each, value: `${each.value}=` }))];
  }
  const field = configurationFields().find((each) => each.name === name || each.flag === `--${name}`);
  const choices = field?.choices ?? (field?.kind === 'boolean' ? ['true', 'false'] : []);
  return choices.map((choice) => ({ value: `${name}=${choice}` }));
}

async function collections(place: PlaceOptions): Promise<Candidate[]> {
  const lines = await taken('collections', {}, place, () => true);
  return lines.map((line) => ({ value: (line as { collection: string }).collection }));
}

/** Keys of the first documents that arrive within the time. */
async function keys(collection: string, current: string, place: PlaceOptions): Promise<Candidate[]> {
  const lines = await taken('find', { collection }, place, (line) => (line as { key: string }).key.startsWith(current));
  return lines.map((line) => ({ value: (line as { key: string }).key }));
}

async function peers(place: PlaceOptions): Promise<Candidate[]> {
  const stored = (await nodeAt(place).call('remotePeers', undefined, {
    idleTimeoutMs: answerWithinMs,
  })) as RemotePeer[];
  return stored.map(({ nodeId, address }) => ({ value: nodeId, summary: clean(address) }));
}

/** What a stream delivers within the time. */
async function taken(
  command: string,
  body: object,
  place: PlaceOptions,
  isWanted: (line: unknown) => boolean,
): Promise<unknown[]> {
  const lines: unknown[] = [];
  try {
    for await (const line of nodeAt(place).stream(command, { body }, { signal: AbortSignal.timeout(answerWithinMs) })) {
      if (isWanted(line)) lines.push(line);
      if (lines.length === namesMax) break;
    }
  } catch {
    // More is not needed.
  }
  return lines;
}

function isDirective({ value }: Candidate): boolean {
  return value === directives.files || value === directives.noSpace;
}

/** In one line. */
function firstSentence(text: string): string {
  return (text.split(/[.;:[\n]/)[0] ?? '').trim();
}
