/** What compiles on a typed collection, and what does not. */
import { describe, expect, test } from '@jest/globals';
import { typeProblems } from './type-check.js';

const preamble = `
import type { Collection, Query } from '../src/index.js';

interface Article {
  name: string;
  price: number;
  note?: string;
  state: 'open' | 'closed';
  tags: string[];
  size: number | 'none';
  maker: { name: string; address?: { city: string | null } };
  sold: Record<string, number>;
  extra: unknown;
  loose: any;
  lines: { id: number }[];
  parent?: Article;
  made: Date;
  'a.b': number;
  key: string;
  2024: boolean;
}
type Event = { type: 'a'; left: number } | { type: 'b'; right: { deep: string } };
declare const articles: Collection<Article>;
declare const events: Collection<Event>;
declare const untyped: Collection;
declare const counted: Collection<Record<string, number>>;
declare const anything: Collection<any>;
declare const scalars: Collection<number>;
declare const text: string;
declare const city: string | undefined;
`;

const compiling = [
  "articles.find({ where: { name: 'Espresso', price: { $gte: 1, $lt: 2 } }, orderBy: ['name', '-price', { field: 'maker.name', descending: true }] })",
  "articles.count({ note: null, state: 'open', size: 5, tags: { $ne: null }, lines: null })",
  "articles.find({ where: { 'maker.address.city': { $like: 'B%' }, 'sold.2024': { $gt: 5 }, 2024: true } })",
  "articles.find({ where: { 'parent.parent.name': 'x', extra: 5, 'extra.any': 'x', loose: true, 'loose.any.thing': 1 } })",
  "articles.find({ where: { $or: [{ name: 'a' }, { $not: { price: 5 } }], state: { $in: ['open', 'closed', null] } } })",
  "articles.find({ where: { 'a\\\\.b': 5, '\\\\key': 'x' }, orderBy: ['a\\\\.b'] })",
  "articles.createIndex('maker.address.city')",
  "articles.watch({ where: { name: 'x' } })",
  "articles.stream({ orderBy: ['-name'], limit: undefined })",
  "events.find({ where: { type: 'a', left: 1, 'right.deep': 'x' } })",
  "untyped.find({ where: { pirce: 1, 'a.b': { $gt: 'x' }, $and: [{ c: null }] }, orderBy: ['nmae', text, { field: text }] })",
  'untyped.createIndex(text)',
  'counted.find({ where: { apples: { $gt: 5 } }, orderBy: [text] })',
  'anything.find({ where: { pirce: 1 } })',
  'scalars.find({ where: { a: 1 } })',
  'const wide: Collection = articles',
  "const query: Query<Article> = { where: { name: 'x' } }; const wide: Query = query",
];

const refused = [
  'articles.find({ where: { pirce: 1 } })',
  "articles.find({ orderBy: ['nmae'] })",
  "articles.find({ orderBy: ['-nmae'] })",
  "articles.find({ orderBy: [{ field: 'nmae' }] })",
  "articles.find({ orderBy: [{ field: 'name', desc: true }] })",
  "articles.find({ orderBy: [{ field: 'name', direction: 'desc' }] })",
  "articles.find({ orderBy: [{ field: 'name', descending: 'true' }] })",
  "articles.find({ where: { price: '5' } })",
  "articles.find({ where: { price: { $gt: '5' } } })",
  "articles.find({ where: { price: { $like: '5%' } } })",
  "articles.find({ where: { state: 'opne' } })",
  "articles.find({ where: { state: { $in: ['opne'] } } })",
  "articles.find({ where: { tags: 'hot' } })",
  "articles.find({ where: { 'tags.0': 'hot' } })",
  "articles.find({ where: { 'lines.id': 1 } })",
  "articles.find({ where: { 'maker.nmae': 'x' } })",
  "articles.find({ where: { maker: { name: 'x' } } })",
  "articles.find({ where: { 'a.b': 5 } })",
  "articles.find({ where: { key: 'p1' } })",
  'articles.find({ where: { made: new Date() } })',
  'articles.find({ where: { name: city } })',
  'articles.find({ where: { name: { $gt: city } } })',
  "articles.find({ where: { name: { $gtee: 'x' } } })",
  'articles.find({ where: { $or: [{ pirce: 1 }] } })',
  'articles.find({ where: { $not: { pirce: 1 } } })',
  "articles.find({ limit: '5' })",
  'articles.find({ limt: 5 })',
  'articles.count({ pirce: 1 })',
  "articles.createIndex('nmae')",
  "articles.createIndex('name', { unique: true })",
  'articles.watch({ where: { pirce: 1 } })',
  'events.find({ where: { middle: 1 } })',
  "counted.find({ where: { apples: 'many' } })",
  'untyped.find({ limt: 5 })',
];

describe('typed queries', () => {
  test('queries: of fields that the documents have -> compile; others -> do not', () => {
    const modules = new Map<string, string>();
    const add = (kind: string) => (code: string, index: number) =>
      modules.set(`test/typed-${kind}-${index}.ts`, `${preamble}\n${code};\n`);
    compiling.forEach(add('right'));
    refused.forEach(add('wrong'));
    const problems = typeProblems(modules);
    const problemsOf = (kind: string, index: number) =>
      problems.filter(({ path }) => path === `test/typed-${kind}-${index}.ts`).map(({ message }) => message);
    expect(
      compiling.flatMap((code, index) => problemsOf('right', index).map((message) => `${code}: ${message}`)),
    ).toEqual([]);
    expect(refused.filter((_, index) => problemsOf('wrong', index).length === 0)).toEqual([]);
  }, 120_000);
});
