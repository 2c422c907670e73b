import { describe, expect, test } from '@jest/globals';
import { type ConnectionLimits, Places, theOldest } from '../../src/core/admission.js';
import { limits } from '../../src/core/limits.js';

const small: ConnectionLimits = { connectionsMax: 3, connectionsPerAddressMax: 2, unauthenticatedMax: 8 };

/** A number generator for tests: the same numbers each time. */
function numbers(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Places with holders named by host and number: `10.0.0.1/3`. */
function setup(options: Partial<ConnectionLimits> = {}, random = theOldest) {
  const places = new Places<string>({ ...small, ...options }, random);
  let count = 0;
  const enter = (host: string, isFamiliar = false) => {
    count += 1;
    const holder = `${host}/${count}`;
    const placing = places.enter(holder, { host, isFamiliar });
    return { holder, ...placing };
  };
  const fill = (host: string, times: number, isFamiliar = false) =>
    Array.from({ length: times }, () => enter(host, isFamiliar));
  return { places, enter, fill };
}

describe('Places', () => {
  test('fewer wait than the maximum -> no connection gives way', () => {
    const { places, fill } = setup();
    expect(fill('a', 8).map((placing) => placing)).toEqual(
      Array.from({ length: 8 }, (_, index) => ({ holder: `a/${index + 1}`, yields: undefined })),
    );
    expect([places.waiting, places.admitted]).toEqual([8, 0]);
  });

  test('all places are taken -> the oldest of the address that holds the most gives way', () => {
    const { places, enter, fill } = setup();
    fill('quiet', 2);
    fill('crowd', 6);
    expect(enter('new')).toMatchObject({ yields: 'crowd/3' });
    expect(enter('new')).toMatchObject({ yields: 'crowd/4' });
    expect(places.waiting).toBe(8);
  });

  test('the draw -> picks from the older half only, and every member of it at times', () => {
    const drawn = new Set<unknown>();
    const random = numbers();
    for (let time = 0; time < 200; time += 1) {
      const { enter, fill } = setup({}, random);
      fill('crowd', 8);
      drawn.add((enter('new') as { yields?: string }).yields);
    }
    expect([...drawn].sort()).toEqual(['crowd/1', 'crowd/2', 'crowd/3', 'crowd/4']);
  });

  test('each stranger from its own address -> one of the older half of all gives way', () => {
    const { enter } = setup();
    for (let host = 0; host < 8; host += 1) enter(`stranger-${host}`);
    expect(enter('new')).toMatchObject({ yields: 'stranger-0/1' });
  });

  test.each([
    ['two addresses', 2, 400],
    ['a hundred addresses', 100, 400],
    ['its own address', 0, 400],
  ])(
    '400 strangers a second from %s -> a connection that proves its identity within 300 ms stays',
    (_, hosts, perSecond) => {
      const { enter, places } = setup({ unauthenticatedMax: limits.unauthenticatedMax }, numbers());
      const stranger = (index: number) => enter(hosts === 0 ? 'honest' : `stranger-${index % hosts}`);
      for (let index = 0; index < 2_000; index += 1) stranger(index);
      for (let guest = 0; guest < 50; guest += 1) {
        const { holder } = enter('honest');
        const dropped = Array.from({ length: perSecond * 0.3 }, (__, index) => stranger(index) as { yields?: string });
        expect(dropped.map(({ yields }) => yields)).not.toContain(holder);
        expect(places.waiting).toBe(limits.unauthenticatedMax);
        places.leave(holder);
      }
    },
  );

  test('a crowd at known addresses -> keeps half of the places; the other half is for all other addresses', () => {
    const { enter, fill } = setup();
    fill('stranger', 8);
    // Known addresses take places from strangers while they hold half of them or less.
    for (let index = 0; index < 5; index += 1) {
      expect(enter('known', true)).toMatchObject({ yields: expect.stringMatching(/^stranger/) });
    }
    expect(enter('known', true)).toMatchObject({ yields: expect.stringMatching(/^known/) });
    expect(enter('stranger')).toMatchObject({ yields: expect.stringMatching(/^known/) });
    expect(enter('stranger')).toMatchObject({ yields: expect.stringMatching(/^stranger/) });
  });

  test('an IPv6 host with many addresses -> counts as one; IPv4 written as IPv6 counts as IPv4', () => {
    const { enter } = setup();
    for (let index = 0; index < 4; index += 1) enter(`2001:db8:1:2::${index}`);
    for (const host of ['2001:db8:1:3::1', '10.0.0.1', '::ffff:10.0.0.1', '::ffff:a00:1']) enter(host);
    expect(enter('10.0.0.2')).toMatchObject({ yields: '2001:db8:1:2::0/1' });
    expect(enter('10.0.0.2')).toMatchObject({ yields: '2001:db8:1:2::1/2' });
    expect(enter('10.0.0.2')).toMatchObject({ yields: '10.0.0.1/6' });
  });

  test('admitted -> never gives way, and its waiting place is free for another', () => {
    const { places, enter, fill } = setup();
    const { holder } = enter('a');
    expect(places.admit(holder)).toBe(undefined);
    for (const { yields } of fill('a', 30) as { yields?: string }[]) expect(yields).not.toBe(holder);
    expect([places.waiting, places.admitted]).toEqual([8, 1]);
    places.leave(holder);
    expect([places.waiting, places.admitted]).toEqual([8, 0]);
  });

  test('connectionsPerAddressMax, connectionsMax admitted -> a newcomer is refused with the reason; one leaves -> a newcomer is accepted', () => {
    const { places, enter } = setup();
    const admitted = [enter('a'), enter('a')].map(({ holder }) => holder);
    for (const holder of admitted) places.admit(holder);
    expect(enter('a')).toMatchObject({
      failure: { code: 'connectionLimit', message: expect.stringContaining('2 connections come from a') },
    });
    const { holder } = enter('b');
    places.admit(holder);
    expect(enter('c')).toMatchObject({
      failure: { code: 'connectionLimit', message: expect.stringContaining('all 3 connections are in use') },
    });
    places.leave(admitted[0] as string);
    expect(enter('a')).toMatchObject({ yields: undefined });
  });

  test('more prove their identity than there are places -> the last is refused, and holds none', () => {
    const { places, fill } = setup();
    const [first, second, third] = fill('a', 3).map(({ holder }) => holder) as [string, string, string];
    expect([places.admit(first), places.admit(second)]).toEqual([undefined, undefined]);
    expect(places.admit(third)).toMatchObject({ code: 'connectionLimit' });
    expect([places.waiting, places.admitted]).toEqual([0, 2]);
  });

  test('a holder that is unknown, or leaves twice -> nothing changes', () => {
    const { places, enter } = setup();
    const { holder } = enter('a');
    places.leave(holder);
    places.leave(holder);
    expect(places.admit(holder)).toBe(undefined);
    expect([places.waiting, places.admitted]).toEqual([0, 0]);
  });
});
