/** Inputs for the targets: bytes, texts and values that are wrong in every way, most of them nearly right. */

import fc from 'fast-check';
import type { Author, Incarnation } from '../src/core/author.js';
import { chainRun, chainStart } from '../src/core/entry.js';
import { errorCodes } from '../src/core/errors.js';
import { foreignText } from '../src/core/foreign-text.js';
import type { Hlc } from '../src/core/hlc.js';
import { type Boot, type CollectionName, type DocumentKey, isNodeId, isToken, type NodeId } from '../src/core/ids.js';
import { own } from '../src/core/own.js';
import { Secret } from '../src/core/secret.js';

export const anyBytes = fc.uint8Array({ maxLength: 2_048 });

/** Names that mean something to JavaScript: a plain object inherits most of them. */
export const treacherousNames = [...Object.getOwnPropertyNames(Object.prototype), 'prototype', 'toJSON', 'then'];
const treacherous = [...treacherousNames, ''];

/** Names from `names`, and some treacherous ones. */
export function orTreacherous(
  names: fc.Arbitrary<string>,
  isPossible: (name: string) => boolean = () => true,
): fc.Arbitrary<string> {
  return fc.oneof(names, fc.constantFrom(...treacherousNames.filter(isPossible)));
}

/** Any JSON, with objects that may have fields of these names. */
export function anyJson(...names: readonly string[]): fc.Arbitrary<unknown> {
  const key = fc.oneof(fc.constantFrom(...names, ...treacherous), fc.string({ maxLength: 8 }));
  return fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 5 }),
      fc
        .array(fc.tuple(key, tie('value')), { maxLength: 8 })
        // As JSON.parse makes it: `__proto__` is an own field.
        .map((fields) => JSON.parse(`{${fields.map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`)}}`)),
    ),
  })).value;
}

const scalar = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1e308, 2 ** 53, 2 ** 31, 0.1, '', '\0', '\ud800'),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

/** A value with some of its parts, at any depth, replaced or removed. */
export function spoilt(value: unknown, part: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.tuple(fc.constantFrom(...pathsIn(value)), fc.option(part, { nil: undefined }));
  return fc
    .array(change, { maxLength: 3 })
    .map((changes) => changes.reduce((copy, [path, instead]) => replaced(copy, path, instead), structuredClone(value)));
}

type Path = readonly string[];

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, inner]) => pathsIn(inner, [...path, name]))];
}

function replaced(value: unknown, [name, ...rest]: Path, replacement: unknown): unknown {
  if (name === undefined) return replacement;
  if (typeof value !== 'object' || value === null) return value;
  const inner = replaced(own(value as Record<string, unknown>, name), rest, replacement);
  if (Array.isArray(value)) return value.map((each, index) => (String(index) === name ? inner : each));
  const others = Object.entries(value).filter(([other]) => other !== name);
  return Object.fromEntries(inner === undefined ? others : [...others, [name, inner]]);
}

/** Bytes with a few flipped, inserted or cut out, or truncated at one place. */
export function damaged(source: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const damage = fc.record({
    kind: fc.constantFrom('flip', 'flip', 'set', 'insert', 'cut', 'end', 'repeat'),
    place,
    byte: fc.integer({ min: 0, max: 255 }),
    length: fc.integer({ min: 1, max: 32 }),
  });
  return fc.tuple(source, fc.array(damage, { minLength: 1, maxLength: 4 })).map(([bytes, damages]) => {
    let result = Buffer.from(bytes);
    for (const { kind, place: share, byte, length } of damages) {
      const at = Math.floor(share * result.length);
      const [before, after] = [result.subarray(0, at), result.subarray(at)];
      if (kind === 'end') result = Buffer.from(before);
      else if (kind === 'cut') result = Buffer.concat([before, after.subarray(length)]);
      else if (kind === 'insert') result = Buffer.concat([before, Buffer.alloc(length, byte), after]);
      else if (kind === 'repeat') result = Buffer.concat([before, after.subarray(0, length), after]);
      else if (result.length > 0) result[at] = kind === 'set' ? byte : (result[at] as number) ^ (1 << (byte % 8));
    }
    return new Uint8Array(result);
  });
}

/** A text damaged as bytes, so it may no longer be UTF-8. */
export function damagedText(source: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return damaged(source.map((text) => Buffer.from(text))).map((bytes) => Buffer.from(bytes).toString());
}

/** Cuts bytes into pieces, as a network does. */
export function inPieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(start, start + size));
    start += size;
  }
  return [...pieces, bytes.subarray(start)];
}

export const pieceSizes = fc.array(fc.integer({ min: 0, max: 64 }), { maxLength: 20 });

/** Records as programs make them: by default fast-check sometimes leaves their prototype out. */
export function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** Any NodeId. */
export const anyNodeId = orTreacherous(
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  isNodeId,
) as fc.Arbitrary<NodeId>;
/** Boots, incarnations and other tokens that nodes draw. */
const token = orTreacherous(fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/), isToken);
export const anyBoot = token as fc.Arbitrary<Boot>;
export const anyPort = fc.integer({ min: 0, max: 65_535 });
export const anyCount = fc.oneof(fc.nat(), fc.maxSafeNat());
export const anyHash = fc.stringMatching(/^[A-Za-z0-9_-]{43}$/);
export const anyHlc = fc.maxSafeNat().map((value) => Math.max(1, value) as Hlc);
export const anyIdentity = record({ nodeId: anyNodeId, boot: anyBoot, port: anyPort });
export const anySecret = fc.stringMatching(/^[!-~]{1,200}$/).map((text) => new Secret(text));
export const anyRefusal = record({
  code: fc.constantFrom(...(Object.keys(errorCodes) as (keyof typeof errorCodes)[])),
  // As a reader repeats it: on one line, without white space at its ends.
  message: fc.string({ maxLength: 80 }).map((text) => foreignText(text)),
});
export const anyAuthor: fc.Arbitrary<Author> = record({
  nodeId: anyNodeId,
  incarnation: token as unknown as fc.Arbitrary<Incarnation>,
  scope: fc.constant('shared' as const),
});
/** The collection of foreign documents: it never holds documents that must stay unchanged. */
export const fuzzCollection = 'fuzz' as CollectionName;

const entry = record({
  hlc: anyHlc,
  collection: orTreacherous(fc.constant(fuzzCollection)) as fc.Arbitrary<CollectionName>,
  key: orTreacherous(
    fc.string({ minLength: 1, maxLength: 20 }).map((text) => text.replace(/\p{Cc}/gu, '') || 'k'),
  ) as fc.Arbitrary<DocumentKey>,
  payload: fc.oneof(fc.json({ maxDepth: 2 }), anyJson().map(textOf), fc.constantFrom('', '{"broken', '[[[[', 'null')),
});
export const anyRun = fc
  .tuple(anyAuthor, fc.array(entry, { maxLength: 5 }), fc.boolean())
  .map(([who, entries, isHonest]) => {
    const made = chainRun(
      who,
      chainStart,
      entries.map((each) => ({ ...each, operation: each.payload === '' ? ('delete' as const) : ('put' as const) })),
    );
    if (isHonest) return made;
    return { ...made, entries: made.entries.map((each) => ({ ...each, payload: each.payload && '"other"' })) };
  });
