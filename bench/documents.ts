/** The documents of every figure: 200 bytes of JSON, the same for statemesh and for its limits. */

export const documentBytes = 200;
export const collectionName = 'articles';

export interface BenchDocument {
  name: string;
  price: number;
  stock: number;
  tags: string[];
  note: string;
}

/** A key that grows with its index, as generated keys should. */
export function keyOf(index: number): string {
  return `article-${String(index).padStart(8, '0')}`;
}

export function documentOf(index: number): BenchDocument {
  const document = {
    name: `Article ${index}`,
    price: ((index * 37) % 100_000) / 100,
    stock: (index * 7) % 500,
    tags: ['coffee', 'shop'],
    note: '',
  };
  const missing = documentBytes - JSON.stringify(document).length;
  const start = index % (text.length - documentBytes);
  document.note = text.slice(start, start + missing);
  return document;
}

export type Pair = readonly [key: string, document: BenchDocument];

/** `count` documents from an index on. */
export function pairsFrom(first: number, count: number): Pair[] {
  return Array.from({ length: count }, (_, offset) => [keyOf(first + offset), documentOf(first + offset)] as const);
}

/** The numbers below `count` in a shuffled order that is the same every time. */
export function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index);
  let state = 1;
  for (let index = count - 1; index > 0; index--) {
    // The generator of Park and Miller.
    state = (state * 48_271) % 2_147_483_647;
    const other = state % (index + 1);
    [numbers[index], numbers[other]] = [numbers[other] as number, numbers[index] as number];
  }
  return numbers;
}

/** Plain ASCII without a character that JSON escapes, so that characters are bytes. */
const text = `${'The beans are roasted twice a week, in small lots, and leave the house the same day. '.repeat(6)}`;
