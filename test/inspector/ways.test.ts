/** Links in the picture of a cluster: for every number of nodes, no link runs behind a foreign node. */
import { describe, expect, it } from '@jest/globals';
import { cardHeight, cardWidth, type Place, placesOf } from '../../visualizer/src/cluster/places.js';
import { type Way, wayBetween } from '../../visualizer/src/cluster/ways.js';

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** Points along a path, as the page draws it. */
function pointsOf({ path }: Way): Place[] {
  const numbers = (path.match(/-?\d+(\.\d+)?(e-?\d+)?/g) ?? []).map(Number);
  const [x1 = 0, y1 = 0] = numbers;
  const [x3 = 0, y3 = 0] = numbers.slice(-2);
  const [x2, y2] = path.includes('Q') ? [numbers[2] ?? 0, numbers[3] ?? 0] : [(x1 + x3) / 2, (y1 + y3) / 2];
  return Array.from({ length: 401 }, (_, index) => {
    const t = index / 400;
    const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
    return { x: a * x1 + b * x2 + c * x3, y: a * y1 + b * y2 + c * y3 };
  });
}

function isBehind({ x, y }: Place, card: Place): boolean {
  return Math.abs(x - card.x) < cardWidth / 2 && Math.abs(y - card.y) < cardHeight / 2;
}

/** Links that run behind a foreign card, or leave the picture. */
function faults(places: ReadonlyMap<string, Place>, links: readonly (readonly [string, string])[]): string[] {
  const middles = new Map([...places].map(([id, { x, y }]) => [id, { x: x + cardWidth / 2, y: y + cardHeight / 2 }]));
  const xs = [...middles.values()].map(({ x }) => x);
  return links.flatMap(([from, to]) => {
    const others = [...middles].flatMap(([id, middle]) => (id === from || id === to ? [] : middle));
    const points = pointsOf(wayBetween(middles.get(from) as Place, middles.get(to) as Place, others));
    const isHidden = points.some((point) => others.some((card) => isBehind(point, card)));
    const reach = cardWidth / 2 + 60;
    const isOutside = points.some(({ x }) => x < Math.min(...xs) - reach || x > Math.max(...xs) + reach);
    return isHidden || isOutside ? [`${from} ${to}${isHidden ? ' is hidden' : ' is outside'}`] : [];
  });
}

describe('ways of links', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 10, 12])(
    '%i members, any of them the leader, one to three cloud nodes -> no link is hidden',
    (count) => {
      const members = named('member-', count);
      for (const clouds of [named('cloud-', 1), named('cloud-', 2), named('cloud-', 3)]) {
        for (const leader of members) {
          const places = placesOf(members, clouds, [leader]);
          expect(
            faults(
              places,
              clouds.map((cloud) => [leader, cloud] as const),
            ),
          ).toEqual([]);
        }
      }
    },
  );

  it.each([2, 3, 4, 5, 6, 8, 10, 12])(
    '%i members in two halves, each with a leader -> both reach the cloud unhidden',
    (count) => {
      const members = named('member-', count);
      for (const other of members.slice(1)) {
        const places = placesOf(members, ['cloud'], [members[0] as string, other]);
        expect(
          faults(places, [
            [members[0] as string, 'cloud'],
            [other, 'cloud'],
          ]),
        ).toEqual([]);
      }
    },
  );

  it.each([2, 3, 5, 8, 12, 20])('%i members that are all connected -> no link is hidden', (count) => {
    const members = named('member-', count);
    const pairs = members.flatMap((one, index) => members.slice(index + 1).map((other) => [one, other] as const));
    expect(faults(placesOf(members, ['cloud']), pairs)).toEqual([]);
  });

  it('a card in the way -> a curve around it; its label is on no card', () => {
    const [from, to, between] = [
      { x: 0, y: 0 },
      { x: 0, y: 600 },
      { x: 10, y: 300 },
    ];
    expect(wayBetween(from, to, []).path).toBe('M0,0L0,600');
    const way = wayBetween(from, to, [between]);
    expect(pointsOf(way).some((point) => isBehind(point, between))).toBe(false);
    expect(isBehind(way.label, between)).toBe(false);
  });
});
