import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { IncomingParcels, KeptParcels, OutgoingParcel } from '../../src/services/parcels.js';

const hash = 'h'.repeat(43);
const part = (bytes: number) => ({ type: 'frame.part', bytes: new Uint8Array(bytes).fill(120) }) as const;
const parcel = (size: number, offset = 0, of = hash) => ({ type: 'frame.parcel', hash: of, size, offset }) as const;

/** Carries a document over sessions that break after this many parts. */
function carry(payload: string, partBytes: number, breaksAfter: number): { text: string; parts: number } {
  const kept = new KeptParcels();
  let parts = 0;
  for (;;) {
    const out = new OutgoingParcel({ hash, payload });
    const incoming = new IncomingParcels('a', kept);
    for (let count = 0; count < breaksAfter && !out.isSent; count += 1) {
      const announcement = out.announce();
      const answer = announcement && incoming.begin(announcement);
      incoming.add(out.next(partBytes, false));
      parts += 1;
      if (answer?.type === 'frame.parcelHeld') out.skip(answer);
    }
    if (out.isSent) return { text: incoming.open(hash), parts };
    incoming.leave();
  }
}

describe('parcels', () => {
  it('a document in parts -> arrives unchanged, also where a part ends within a character', () => {
    const payload = JSON.stringify('\ufeffäöü€😀'.repeat(1_000));
    expect(carry(payload, 7, Number.POSITIVE_INFINITY).text).toBe(payload);
  });

  it('sessions that break -> the transfer continues where it was', () => {
    const { text, parts } = carry('x'.repeat(100_000), 1_000, 20);
    expect(text).toHaveLength(100_000);
    // One part per session is sent again, before the other side has reported what it has.
    expect(parts).toBeLessThan(100 + 10);
  });

  it('another origin, hash or size -> nothing is shared', () => {
    const kept = new KeptParcels();
    const first = new IncomingParcels('a', kept);
    first.begin(parcel(1_000));
    first.add(part(500));
    first.leave();
    expect(new IncomingParcels('b', kept).begin(parcel(1_000))).toBeUndefined();
    expect(new IncomingParcels('a', kept).begin(parcel(1_001))).toBeUndefined();
    expect(new IncomingParcels('a', kept).begin(parcel(1_000, 0, 'i'.repeat(43)))).toBeUndefined();
    expect(new IncomingParcels('a', kept).begin(parcel(1_000))).toMatchObject({ held: 500 });
  });

  it('many broken transfers -> a node keeps a bounded number of their bytes, the latest ones', () => {
    const kept = new KeptParcels();
    for (let index = 0; index < 40; index += 1) {
      const incoming = new IncomingParcels(`node-${index}`, kept);
      incoming.begin(parcel(limits.parcelBytesMax));
      incoming.add(part(1024 * 1024));
      incoming.leave();
    }
    expect(kept.bytes).toBeLessThanOrEqual(limits.parcelsKeptBytesMax);
    expect(new IncomingParcels('node-39', kept).begin(parcel(limits.parcelBytesMax))).toBeDefined();
    expect(new IncomingParcels('node-0', kept).begin(parcel(limits.parcelBytesMax))).toBeUndefined();
  });

  it.each([
    ['a part without a parcel', (parcels: IncomingParcels) => parcels.add(part(1)), undefined],
    ['more than was said', (parcels: IncomingParcels) => parcels.add(part(2)), 1],
    ['a gap', (parcels: IncomingParcels) => parcels.begin(parcel(10, 5)), undefined],
    ['an entry before its end', (parcels: IncomingParcels) => parcels.open(hash), 2],
    ['an entry that nothing was said of', (parcels: IncomingParcels) => parcels.open(hash), undefined],
  ])('%s -> is refused', (_, hear, size) => {
    const parcels = new IncomingParcels('a', new KeptParcels());
    if (size !== undefined) parcels.begin(parcel(size));
    expect(() => hear(parcels)).toThrow(expect.objectContaining({ code: 'frameMalformed' }));
  });
});
