/** CSV: `import` restores what `export` writes, reads what spreadsheets write, and refuses errors. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { csvOf, linesOfCsv } from '../../src/cli/csv.js';
import { jsonLines, startNode } from './cli-fixture.js';

async function* chunksOf(text: string | Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function parsed(csv: string | Uint8Array, { key, texts = [] }: { key?: string; texts?: string[] } = {}) {
  let lines = '';
  for await (const line of linesOfCsv(chunksOf(csv), { key, texts })) lines += line;
  return lines;
}

async function written(documents: readonly object[]): Promise<string> {
  const rows: string[] = [];
  // Read twice.
  const read = {
    async *[Symbol.asyncIterator]() {
      yield* documents;
    },
  };
  for await (const row of csvOf(read)) rows.push(`${row}\n`);
  return rows.join('');
}

describe('csv', () => {
  test('drawn documents: written and read -> unchanged', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '007', '1.0', ' 1', '"', '[1] ', '-', '{', 'a\r\nb', '12345678901234567890', 'null'),
    );
    const value = fc.oneof(text, fc.jsonValue(), fc.double({ noNaN: true, noDefaultInfinity: true }));
    const document = fc.dictionary(fc.oneof(text, fc.constantFrom('key', '__proto__', 'constructor')), value, {
      noNullPrototype: true,
    });
    const documents = fc.uniqueArray(fc.record({ key: fc.string({ minLength: 1 }), document }), {
      selector: ({ key }) => key,
    });
    await fc.assert(
      fc.asyncProperty(documents, async (given) => {
        // As the node returns them.
        const exact = JSON.parse(JSON.stringify(given)) as object[];
        expect(jsonLines(await parsed(await written(exact)))).toEqual(exact);
      }),
    );
  });

  test('what spreadsheets write: semicolons, tabs, CR LF, a BOM, quotation marks, an empty last line -> rows', async () => {
    const rows = [{ key: '1', document: { sku: 1, name: 'a;b', zip: '00123', size: '5"' } }];
    for (const separator of [',', ';', '\t']) {
      const csv = `\uFEFFsku,name,zip,size\r\n1,"a;b",00123,5"\r\n\r\n`.replaceAll(',', separator);
      expect(jsonLines(await parsed(csv, { key: 'sku' }))).toEqual(rows);
    }
    expect(jsonLines(await parsed('key,a,b\nk,12,\n', { texts: ['a'] }))).toEqual([
      { key: 'k', document: { a: '12' } },
    ]);
  });

  test('rows of several lines -> each document has the number of the line where its row begins', async () => {
    const lines = (await parsed('key,a\nk1,"x\ny\nz"\nk2,1\n')).split('\n');
    expect(lines.map((line, index) => (line === '' ? 0 : index + 1)).filter((number) => number > 0)).toEqual([2, 5]);
  });

  test.each([
    ['a row that is short', 'key,a\nk\n', 'Line 2 is not valid: it has 1 cells'],
    ['no key', 'sku,a\nk,1\n', 'Line 1 is not valid: the first column is called "sku"'],
    ['a field twice', 'key,a,a\nk,1,2\n', 'Line 1 is not valid: the column "a" occurs twice'],
    [
      'a quotation mark that is not closed',
      'key,a\n\nk,"1\n2\n',
      'Line 3 is not valid: a quotation mark is not closed',
    ],
    ['something behind one', 'key,a\nk,"1"2\n', 'Line 2 is not valid: there is text after'],
    ['Latin 1', Buffer.from('key,a\nk,caf\xe9\n', 'latin1'), 'not UTF-8'],
  ])('%s -> refused, with the line', async (_, csv, message) => {
    await expect(parsed(csv)).rejects.toMatchObject({
      code: 'importInvalid',
      message: expect.stringContaining(message),
    });
  });

  test('over the command line: a collection exported and imported -> the same; documents that do not fit -> refused', async () => {
    const node = await startNode();
    const place = (name: string) => join(node.directory, name);
    await writeFile(place('in.csv'), 'sku,name,price,tags\nA1,Espresso,1.2,"[""hot"",1]"\nA2,"7,5",,\n');
    const imported = await node.run(['import', 'articles', place('in.csv'), '--key', 'sku']);
    expect([imported.exitCode, imported.stdout]).toEqual([0, 'Imported 2 documents into articles.\n']);
    expect((await node.run(['export', 'articles', '--to', place('out.csv')])).stdout).toContain('2 documents in');
    await node.run(['import', 'again', place('out.csv')]);
    const all = await Promise.all(['articles', 'again'].map(async (name) => (await node.run(['export', name])).stdout));
    expect(all[1]).toBe(all[0]);
    expect((await node.run(['export', 'articles', '--csv'])).stdout).toBe(
      'key,sku,name,price,tags\nA1,A1,Espresso,1.2,"[""hot"",1]"\nA2,A2,"7,5",,\n',
    );
    const wrong = await node.run(['import', 'articles', '-', '--csv'], { input: 'key,a\nk1,1\n,2\n' });
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringMatching(/Line 3 .*1 document was written/)]);
    await node.run(['put', 'lists', 'l', '[1]']);
    for (const args of [
      ['export', '--csv'],
      ['export', 'lists', '--csv'],
      ['import', place('in.csv')],
    ]) {
      expect([args, (await node.run(args)).exitCode]).toEqual([args, 2]);
    }
  }, 30_000);

  test('numbers with decimal commas -> stay text, with a hint, or are numbers in the named columns', async () => {
    const node = await startNode();
    const csv = 'sku;price;name;size\nA1;"1,5";Espresso;"7,5"\nA2;2;Latte;large\nA3;"-1.234,25";Tea;small\n';
    const imported = (...args: string[]) =>
      node.run(['import', 'articles', '-', '--csv', '--key', 'sku', ...args], { input: csv });
    const prices = async () =>
      jsonLines((await node.run(['find', 'articles', '--json', '--order-by', 'sku'])).stdout).map(
        ({ document }) => (document as { price: unknown }).price,
      );
    const plain = await imported();
    expect(plain.exitCode).toBe(0);
    expect(plain.stderr).toContain('"price" (such as "1,5" on line 2)');
    expect(plain.stderr).toContain('--decimal-comma price');
    expect(await prices()).toEqual(['1,5', 2, '-1.234,25']);
    expect(JSON.parse((await imported('--json')).stderr)).toEqual({ hint: expect.stringContaining('"price"') });
    expect((await imported('--text', 'price')).stderr).toBe('');
    const converted = await imported('--decimal-comma', 'price');
    expect([converted.exitCode, converted.stderr]).toEqual([0, '']);
    expect(await prices()).toEqual([1.5, 2, -1234.25]);
    for (const [args, why] of [
      [['--decimal-comma', 'name'], 'Line 2 is not valid: "Espresso" in the column "name" is not a number'],
      [['--decimal-comma', 'prices'], 'there is no column "prices"'],
      [['--text', 'prices'], 'there is no column "prices"'],
    ] as const) {
      const refused = await imported(...args);
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(why)]);
    }
  }, 30_000);
});
