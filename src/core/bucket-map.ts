/**
 * A persistent map for the contexts of machines, which are never changed in place: a copy with one entry more or less
 * shares almost everything with its original.
 *
 * Entries lie in a fixed number of buckets. A change copies one bucket, a 256th of the entries (20 of 5,000). The order
 * of entries is not defined.
 */

/** A map whose changes are cheap copies. */
export class BucketMap<V> implements Iterable<readonly [string, V]> {
  readonly size: number;
  readonly #buckets: readonly (ReadonlyMap<string, V> | undefined)[];

  private constructor(buckets: readonly (ReadonlyMap<string, V> | undefined)[], size: number) {
    this.#buckets = buckets;
    this.size = size;
  }

  static empty<V>(): BucketMap<V> {
    return new BucketMap(new Array(bucketCount).fill(undefined), 0);
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]?.get(key);
  }

  /** A copy with this entry, which replaces the entry of the same key. */
  with(key: string, value: V): BucketMap<V> {
    return this.#replaced(key, new Map(this.#buckets[bucketOf(key)]).set(key, value));
  }

  /** A copy without the entry of this key, or the same map if it has none. */
  without(key: string): BucketMap<V> {
    const bucket = new Map(this.#buckets[bucketOf(key)]);
    return bucket.delete(key) ? this.#replaced(key, bucket) : this;
  }

  *values(): Generator<V> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket.values();
  }

  *[Symbol.iterator](): Generator<readonly [string, V]> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket;
  }

  #replaced(key: string, bucket: ReadonlyMap<string, V>): BucketMap<V> {
    const index = bucketOf(key);
    const buckets = this.#buckets.slice();
    const sizeBefore = buckets[index]?.size ?? 0;
    buckets[index] = bucket.size === 0 ? undefined : bucket;
    return new BucketMap(buckets, this.size + bucket.size - sizeBefore);
  }
}

const bucketCount = 256;

/** FNV-1a: spreads keys that count up evenly over all buckets. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 16)) & (bucketCount - 1);
}
