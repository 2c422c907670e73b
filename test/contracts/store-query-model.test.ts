/** Property: a query finds what a plain model of its meaning finds, with any indexes. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Filter, parseWhere, type Query, type Scalar, type Where } from '../../src/core/query.js';
import { products, put } from './store-harness.js';
import { openInTemporaryDirectory } from './store-temporary.js';

const open = openInTemporaryDirectory();

/** Where integers and doubles of 64 bits, and the texts of both, diverge. */
const scales = [2 ** 53, 2 ** 60, 2 ** 63, 2 ** 64, 1e21, 5e-324, 2 ** -1022, Number.MAX_VALUE, 0.1 + 0.2]
  .flatMap((scale) => [scale, scale - 1, scale + 1, 1_152_921_504_606_847_000, -scale])
  .concat(-0);

const scalars: fc.Arbitrary<Scalar> = fc.oneof(
  fc.constantFrom<Scalar>(
    null,
    true,
    false,
    0,
    1,
    -1,
    2.5,
    1e300,
    '',
    'a',
    'B',
    'ab',
    '1',
    'é',
    '\u{1F600}',
    '\uFFFD',
    '%',
    '\ud800',
    'a\0b',
    '\0',
  ),
  // Each several times, because values drawn evenly are never equal.
  fc.constantFrom(...scales),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(Number),
  fc.string({ maxLength: 3 }),
);
const ordered = scalars.filter(
  (value): value is string | number => typeof value === 'number' || typeof value === 'string',
);
const values = fc.oneof({ weight: 5, arbitrary: scalars }, { weight: 1, arbitrary: fc.constantFrom({}, { c: 1 }) });
const documents = fc.array(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record(
        { a: values, b: fc.oneof(values, fc.record({ c: values }, { requiredKeys: [] })) },
        { requiredKeys: [] },
      ),
    },
    { weight: 1, arbitrary: values },
  ),
  { maxLength: 12 },
);
const fields = fc.constantFrom('a', 'b', 'b.c', 'missing', '__proto__');
const pattern = fc
  .array(fc.constantFrom('%', '_', '\\%', '\\_', '\\\\', 'a', 'B', '\0', 'é', '\u{1F600}'), { maxLength: 4 })
  .map((parts) => parts.join(''));
const conditions: fc.Arbitrary<Where> = fc.oneof(
  fc.tuple(fields, scalars).map(([field, value]) => ({ [field]: value })),
  fc
    .tuple(fields, fc.constantFrom('$eq', '$ne'), scalars)
    .map(([field, name, value]) => ({ [field]: { [name]: value } })),
  fc
    .tuple(fields, fc.constantFrom('$gt', '$gte', '$lt', '$lte'), ordered)
    .map(([field, name, value]) => ({ [field]: { [name]: value } })),
  fc.tuple(fields, ordered, ordered).map(([field, low, high]) => ({ [field]: { $gte: low, $lt: high } })),
  fc.tuple(fields, fc.array(scalars, { maxLength: 3 })).map(([field, $in]) => ({ [field]: { $in } })),
  fc.tuple(fields, pattern).map(([field, $like]) => ({ [field]: { $like } })),
);
const wheres: fc.Arbitrary<Where> = fc.letrec<{ where: Where }>((tie) => ({
  where: fc.oneof(
    { maxDepth: 3 },
    conditions,
    fc.tuple(conditions, conditions).map(([one, other]) => ({ ...one, ...other })),
    fc.array(tie('where'), { maxLength: 3 }).map(($and) => ({ $and })),
    fc.array(tie('where'), { maxLength: 3 }).map(($or) => ({ $or })),
    tie('where').map(($not) => ({ $not })),
  ),
})).where;
const orders = fc.array(fc.record({ field: fields, descending: fc.boolean() }), { maxLength: 2 });

test('find and count: any documents, query and indexes -> what the model finds, in its order', async () => {
  await fc.assert(
    fc.asyncProperty(documents, wheres, orders, fc.uniqueArray(fields), async (contents, where, orderBy, indexed) => {
      const { store } = await open();
      await store.write(contents.map((content, index) => put(`key-${index}`, content)));
      const expected = modelFind(contents, { where, orderBy });
      for (const field of [undefined, ...indexed]) {
        if (field !== undefined) await store.createIndex(products, field);
        const found = await store.find(products, { where, orderBy });
        expect(found.map(({ key }) => key)).toEqual(expected);
        expect(await store.count(products, where)).toBe(expected.length);
      }
      await store.close();
    }),
    { numRuns: 150 },
  );
}, 60_000);

function modelFind(
  contents: readonly unknown[],
  { where, orderBy }: Pick<Required<Query>, 'where'> & { orderBy: readonly { field: string; descending: boolean }[] },
): string[] {
  const filter = parseWhere(where);
  const stored = contents.map((content, index) => ({
    key: `key-${index}`,
    content: JSON.parse(JSON.stringify(content)) as unknown,
  }));
  const found = stored.filter(({ content }) => matches(content, filter));
  found.sort((x, y) => {
    for (const { field, descending } of orderBy) {
      const order = compareValues(fieldOf(x.content, field), fieldOf(y.content, field));
      if (order !== 0) return descending ? -order : order;
    }
    return compareTexts(x.key, y.key);
  });
  return found.map(({ key }) => key);
}

function matches(content: unknown, filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((part) => matches(content, part));
    case 'or':
      return filter.filters.some((part) => matches(content, part));
    case 'not':
      return !matches(content, filter.filter);
    case 'in':
      return filter.values.some((value) => equals(fieldOf(content, filter.field), value));
    case 'compare':
      return compares(fieldOf(content, filter.field), filter.operator, filter.value);
  }
}

function compares(found: unknown, operator: string, value: Scalar): boolean {
  if (operator === '$eq') return equals(found, value);
  if (operator === '$ne') return !equals(found, value);
  if (operator === '$like') return typeof found === 'string' && likePattern(String(value)).test(found);
  if (typeof found !== typeof value) return false;
  const order = compareValues(found, value);
  if (operator === '$gt') return order > 0;
  if (operator === '$gte') return order >= 0;
  return operator === '$lt' ? order < 0 : order <= 0;
}

function equals(found: unknown, value: Scalar): boolean {
  return value === null ? found === undefined || found === null : found === value;
}

function fieldOf(content: unknown, field: string): unknown {
  let value = content;
  for (const name of field.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

/** null and missing, numbers, texts, false, true, objects and arrays. */
function rankOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'number') return 1;
  if (typeof value === 'string') return 2;
  if (typeof value === 'boolean') return value ? 4 : 3;
  return 5;
}

function compareValues(a: unknown, b: unknown): number {
  const byRank = rankOf(a) - rankOf(b);
  if (byRank !== 0) return byRank;
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === 'string' && typeof b === 'string' ? compareTexts(a, b) : 0;
}

/** By code points, as the bytes of UTF-8 sort; a lone surrogate is a code point, too. */
function compareTexts(a: string, b: string): number {
  const [left, right] = [[...a], [...b]].map((text) => text.map((character) => character.codePointAt(0) ?? 0));
  for (let index = 0; ; index += 1) {
    const [x, y] = [left?.[index], right?.[index]];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? -1 : 1;
    if (x !== y) return x - y;
  }
}

function likePattern(like: string): RegExp {
  const source = (like.match(/\\.|./gsu) ?? []).map((character) => {
    if (character.length === 2 && character.startsWith('\\'))
      return character === '\\\\' ? character : character.slice(1);
    if (character === '%') return '[^]*';
    if (character === '_') return '[^]';
    return /[a-z]/i.test(character) && character.length === 1 && character < '\x7f'
      ? `[${character.toLowerCase()}${character.toUpperCase()}]`
      : character;
  });
  return new RegExp(`^${source.join('')}$`, 'u');
}
