/** Property: `import` restores what `export` writes, after any history, on two nodes that edit the same documents. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { callControl, streamControl } from '../../src/control/client.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import { isDocumentKey } from '../../src/core/ids.js';
import type { StatemeshNode } from '../../src/index.js';
import { createFixture, untilConverged, untilMeshed } from './cluster-fixture.js';

const fixture = createFixture();
let editors: StatemeshNode[];
let count = 0;

beforeAll(async () => {
  editors = await Promise.all(['left', 'right'].map((name) => fixture.start(name, { control: true })));
  // With another key, so that they see only what is imported.
  for (const name of ['of-documents', 'of-history']) {
    await fixture.start(name, { control: true, clusterKey: `the cluster key of ${name} alone` });
  }
  await untilMeshed(editors);
});
afterAll(() => fixture.close());

const pathOf = (name: string) => controlSocketPath(fixture.directoryOf(name));

async function exported(name: string, body: object = {}): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  for await (const line of streamControl(pathOf(name), 'export', { body })) lines.push(line as Record<string, unknown>);
  return lines;
}

async function imported(
  name: string,
  lines: readonly object[],
  parameters: Record<string, string> = {},
): Promise<void> {
  const texts = (async function* () {
    for (const line of lines) yield `${JSON.stringify(line)}\n`;
  })();
  for await (const _ of streamControl(pathOf(name), 'import', { lines: texts, parameters }));
}

const numbers = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(Number),
);
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    '%',
    '_',
    '*',
    '\\',
    '\0',
    '"',
    "'",
    '\u{1F600}',
    '\ud800',
    '__proto__',
    '\u2028',
    '\ufeff',
    '\uffff',
  ),
);
const documents = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    ...[numbers, texts, fc.boolean(), fc.constant(null)],
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(texts, tie('value'), { maxKeys: 3 }),
  ),
})).value;
const keys = fc.oneof(fc.constantFrom('a', 'b', '1', '__proto__'), texts.filter(isDocumentKey));
const histories = fc.array(
  fc.record({
    editor: fc.nat(1),
    collection: fc.constantFrom('things', 'others %', '\u{1F600}'),
    key: keys,
    // One in four is a deletion.
    document: fc.option(documents, { nil: undefined, freq: 3 }),
  }),
  { maxLength: 30 },
);

test('export, import: any history of two nodes -> the same documents, by both forms and by the collection', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      count += 1;
      const own = `${count} `;
      const isOwn = ({ collection }: Record<string, unknown>) => String(collection).startsWith(own);
      const expected = new Map<string, unknown>();
      for (const { editor, collection, key, document } of history) {
        const place = { collection: `${own}${collection}`, key };
        const command = document === undefined ? 'delete' : 'put';
        await callControl(pathOf(editor === 0 ? 'left' : 'right'), command, { ...place, document });
      }
      await untilConverged(editors);

      const lines = (await exported('right')).filter(isOwn);
      for (const { collection, key, document } of lines) {
        expected.set(JSON.stringify([collection, key]), document);
      }
      // One line for each document, with its latest version.
      expect(lines).toHaveLength(expected.size);
      await imported('of-documents', lines);
      expect((await exported('of-documents')).filter(isOwn)).toEqual(lines);

      const entries = (await exported('left', { history: true })).filter(isOwn);
      expect(entries.length).toBeGreaterThanOrEqual(expected.size);
      await imported('of-history', entries);
      expect((await exported('of-history')).filter(isOwn)).toEqual(lines);

      for (const collection of new Set(lines.map((line) => String(line.collection)))) {
        const found = await exported('left', { collection });
        await imported('of-documents', found, { collection: `copy of ${collection}` });
        expect(await exported('of-documents', { collection: `copy of ${collection}` })).toEqual(found);
      }
    }),
    { numRuns: 40 },
  );
}, 120_000);

test('import: a history with an entry that lost -> left out; a malformed one -> no document', async () => {
  const entry = { collection: 'lost', hlc: 1, nodeId: 'x', operation: 'put', current: true };
  await imported('of-history', [
    { ...entry, key: 'a', document: 2 },
    { ...entry, key: 'a', document: 1, current: false },
    { ...entry, key: 'b', document: 1 },
    { ...entry, key: 'b', malformed: true },
  ]);
  expect(await exported('of-history', { collection: 'lost' })).toEqual([{ key: 'a', document: 2 }]);
  await imported('of-history', [{ ...entry, key: 'a', operation: 'delete' }]);
  expect(await exported('of-history', { collection: 'lost' })).toEqual([]);
});

test.each([
  ['without its collection', { key: 'a', document: 1 }, 'it has no "collection"'],
  ['of a collection of statemesh', { collection: '_system_x', key: 'a', document: 1 }, 'written by statemesh only'],
  ['of no collection', { collection: '', key: 'a', document: 1 }, 'collection'],
  ['without its document', { collection: 'c', key: 'a' }, 'it has no "document"'],
  [
    'that deletes a document that it has',
    { collection: 'c', key: 'a', operation: 'delete', document: 1 },
    'a deletion',
  ],
  ['of no known operation', { collection: 'c', key: 'a', operation: 'merge', document: 1 }, '"operation"'],
  ['with another field', { collection: 'c', key: 'a', document: 1, colour: 'red' }, '"colour"'],
])('import: a line %s -> importInvalid with its number, the lines before it kept', async (_what, line, message) => {
  count += 1;
  const collection = `kept ${count}`;
  const importing = imported('of-documents', [{ collection, key: 'a', document: 1 }, line]);
  await expect(importing).rejects.toMatchObject({
    code: 'importInvalid',
    message: expect.stringMatching(new RegExp(`^Line 2 is not valid: .*${message}.* 1 document was written before`)),
  });
  expect(await exported('of-documents', { collection })).toHaveLength(1);
});
