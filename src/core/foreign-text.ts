/**
 * The one place that decides how much of a third party's text may be repeated: a peer's refusal, an authority's answer,
 * the body of a configuration server, a name in a certificate or in a stored document. All such text passes through
 * here before it reaches a log, an error, a status or a terminal.
 *
 * Invariants: the result is one line of bounded length, without control characters, terminal escapes, invisible
 * characters or credentials. A text that repeats one of the given secrets, in any encoding that {@link reveals} undoes,
 * is withheld as a whole.
 */
import type { Secret } from './secret.js';

export interface ForeignTextOptions {
  /** In characters. Default: 200. */
  readonly lengthMax?: number;
  /** Secrets that the third party received and that must not show. */
  readonly secrets?: readonly (Secret | undefined)[];
}

const lengthDefault = 200;
/** Text beyond this length is neither examined nor repeated. */
const readMax = 16 * 1024;
const withheld = '[withheld: it repeats a secret]';

/** A third party's text as part of one of our messages. A value that is not a text is named by its type. */
export function foreignText(
  text: unknown,
  { lengthMax = lengthDefault, secrets = [] }: ForeignTextOptions = {},
): string {
  if (typeof text !== 'string') return `[${text === null ? 'null' : Array.isArray(text) ? 'a list' : typeof text}]`;
  const read = text.slice(0, readMax);
  const plain = withoutCredentials(oneLine(read));
  if (secrets.some((secret) => secret !== undefined && (reveals(read, secret) || reveals(plain, secret))))
    return withheld;
  const characters = [...plain];
  return characters.length > lengthMax || text.length > readMax ? `${characters.slice(0, lengthMax).join('')}…` : plain;
}

/** The codes of RFC 6749 (sections 4.1.2.1 and 5.2). Nothing else of an authority's answer is ever repeated. */
const oAuth2Errors: ReadonlySet<unknown> = new Set([
  ...['invalid_request', 'invalid_client', 'invalid_grant', 'unauthorized_client', 'unsupported_grant_type'],
  ...['invalid_scope', 'access_denied', 'unsupported_response_type', 'server_error', 'temporarily_unavailable'],
]);

/** The `error` of an authority's answer, if it is a code of the closed list. */
export function oAuth2ErrorOf(error: unknown): string | undefined {
  return oAuth2Errors.has(error) ? (error as string) : undefined;
}

/**
 * Whether a text contains a secret: as it is, or in one of these encodings, or in two of them one after the other:
 * percent, form, JSON or HTML escapes, hexadecimal, base64 or base64url at any alignment.
 */
export function reveals(text: string, secret: Secret): boolean {
  const wanted = secret.reveal();
  if (wanted === '') return false;
  let views = [text.slice(0, readMax)];
  for (let depth = 0; depth <= decodingsMax; depth += 1) {
    if (views.some((view) => view.includes(wanted))) return true;
    const next = new Set(views.flatMap((view) => decoders.map((decode) => decode(view))));
    for (const view of views) next.delete(view);
    next.delete('');
    views = [...next].slice(0, viewsMax);
  }
  return false;
}

const decodingsMax = 2;
const viewsMax = 64;

/** Escapes of terminals (ECMA-48): control sequences, and strings with their content. */
const escapes = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?/gu,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?/gu,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern searches for control characters.
  /\u001b[ -/]*[0-~]?/gu,
];

/**
 * Removes escapes and replaces invisible characters with spaces: controls, formats (direction, width 0), half
 * surrogates, unassigned.
 */
function oneLine(text: string): string {
  const bare = escapes.reduce((rest, pattern) => rest.replace(pattern, ''), text);
  return bare.replace(/[\p{C}\p{Z}]+/gu, ' ').trim();
}

/** Redacts anything that looks like a credential, ours or not. */
function withoutCredentials(text: string): string {
  return text
    .replace(/\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/giu, '$1 [redacted]')
    .replace(/\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)*/gu, '[redacted]')
    .replace(/(\/\/)[^\s/@]+@/gu, '$1[redacted]@');
}

type Decoder = (text: string) => string;

const decoders: readonly Decoder[] = [
  (text) => fromPercents(text),
  (text) => fromPercents(text.replace(/\+/gu, ' ')),
  (text) =>
    text
      .replace(/\\u([0-9a-f]{4})|\\x([0-9a-f]{2})/giu, (_, four, two) =>
        String.fromCharCode(Number.parseInt(four ?? two, 16)),
      )
      .replace(/\\(["\\/])/gu, '$1'),
  (text) =>
    text
      .replace(/&#x([0-9a-f]{1,6});/giu, (_, digits) => character(Number.parseInt(digits, 16)))
      .replace(/&#(\d{1,7});/gu, (_, digits) => character(Number(digits)))
      .replace(/&(quot|apos|lt|gt|amp);/gu, (_, name) => entities.get(name) ?? ''),
  ...[0, 1].map(
    (shift) => (text: string) => decodeRuns(text, /[0-9a-f]{2,}/giu, (run) => bytesOf(run.slice(shift), 'hex')),
  ),
  ...[0, 1, 2, 3].map(
    (shift) => (text: string) => decodeRuns(text, /[\w+/-]{2,}/gu, (run) => bytesOf(run.slice(shift), 'base64')),
  ),
];

const entities: ReadonlyMap<string, string> = new Map([
  ['quot', '"'],
  ['apos', "'"],
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
]);

function character(codePoint: number): string {
  return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : '';
}

function fromPercents(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/giu, (run) => bytesOf(run.replace(/%/gu, ''), 'hex'));
}

function decodeRuns(text: string, runs: RegExp, decode: (run: string) => string): string {
  return (text.match(runs) ?? []).map(decode).join('\n');
}

function bytesOf(text: string, encoding: 'hex' | 'base64'): string {
  return Buffer.from(text, encoding).toString('utf8');
}
