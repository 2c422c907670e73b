/** The path of a link from one card to another: straight, or curved around the cards of other nodes. */
import { cardHeight, cardWidth, type Place } from './places.js';

export interface Way {
  /** As an SVG path. */
  readonly path: string;
  /** The position of its label. */
  readonly label: Place;
}

/** Between a card and a link of other nodes. */
const margin = 14;
const labelWidth = 120;
const labelHeight = 24;
/** The distance of a curve's middle from the straight line; on both sides, the nearest first. */
const bowStep = 30;
const bowsMax = 24;
const bows = Array.from(
  { length: 2 * bowsMax + 1 },
  (_, index) => Math.ceil(index / 2) * bowStep * (index % 2 === 0 ? -1 : 1),
);
const samples = 48;
/** Not in the middle, where the lines of a full mesh cross. */
const labelShares = [0.42, 0.5, 0.34, 0.58, 0.26, 0.66, 0.74];

/**
 * @param from The center of a card, as are the others
 * @param others Cards of other nodes
 */
export function wayBetween(from: Place, to: Place, others: readonly Place[]): Way {
  const near = others.filter((card) => mayBeMet(card, from, to));
  const bow = near.length === 0 ? 0 : freestBow(from, to, near);
  const points = pointsOn(from, to, bow).filter((point) => !isWithin(point, from, 0) && !isWithin(point, to, 0));
  const control = controlOf(from, to, bow);
  const curve = bow === 0 ? `L${to.x},${to.y}` : `Q${control.x},${control.y} ${to.x},${to.y}`;
  return { path: `M${from.x},${from.y}${curve}`, label: labelPlace(points, others) ?? middleOf(from, to) };
}

/** Cards within reach of the farthest curve: others cannot be in its way. */
function mayBeMet(card: Place, from: Place, to: Place): boolean {
  const reach = bowsMax * bowStep;
  return (
    card.x > Math.min(from.x, to.x) - reach &&
    card.x < Math.max(from.x, to.x) + reach &&
    card.y > Math.min(from.y, to.y) - reach &&
    card.y < Math.max(from.y, to.y) + reach
  );
}

/** The first curve that meets no card; otherwise the one that is hidden for the shortest part. */
function freestBow(from: Place, to: Place, cards: readonly Place[]): number {
  let best = { bow: 0, met: Number.POSITIVE_INFINITY };
  for (const bow of bows) {
    const points = pointsOn(from, to, bow);
    const met = points.filter((point) => cards.some((card) => isWithin(point, card, margin))).length;
    if (met < best.met) best = { bow, met };
    if (met === 0) break;
  }
  return best.bow;
}

function isWithin(point: Place, card: Place, around: number): boolean {
  return Math.abs(point.x - card.x) < cardWidth / 2 + around && Math.abs(point.y - card.y) < cardHeight / 2 + around;
}

/** The control point of the quadratic curve whose middle is `bow` away from the straight line. */
function controlOf(from: Place, to: Place, bow: number): Place {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.max(1, Math.hypot(dx, dy));
  const middle = middleOf(from, to);
  return { x: middle.x - (dy / length) * 2 * bow, y: middle.y + (dx / length) * 2 * bow };
}

function middleOf(from: Place, to: Place): Place {
  return { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
}

function pointsOn(from: Place, to: Place, bow: number): Place[] {
  const control = controlOf(from, to, bow);
  return Array.from({ length: samples + 1 }, (_, index) => {
    const t = index / samples;
    const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
    return { x: a * from.x + b * control.x + c * to.x, y: a * from.y + b * control.y + c * to.y };
  });
}

/** A point on the visible part of the path that no card covers, if there is one. */
function labelPlace(points: readonly Place[], cards: readonly Place[]): Place | undefined {
  const candidates = labelShares.flatMap((share) => points[Math.floor(points.length * share)] ?? []);
  const isOpen = (place: Place) =>
    !cards.some(
      (card) =>
        Math.abs(place.x - card.x) < (cardWidth + labelWidth) / 2 &&
        Math.abs(place.y - card.y) < (cardHeight + labelHeight) / 2,
    );
  return candidates.find(isOpen) ?? candidates[0];
}
