/** How a link runs from one card to another: straight, or in a bow around the cards of nodes that it has nothing to do with. */
import { cardHeight, cardWidth, type Place } from './places.js';

export interface Way {
  /** As SVG has it. */
  readonly path: string;
  /** Where its label stands. */
  readonly label: Place;
}

/** Between a card and a link of others. */
const margin = 14;
const labelWidth = 120;
const labelHeight = 24;
/** How far the middle of a bow is from the straight line; to both sides, the nearest first. */
const bowStep = 30;
const bowsMax = 24;
const bows = Array.from(
  { length: 2 * bowsMax + 1 },
  (_, index) => Math.ceil(index / 2) * bowStep * (index % 2 === 0 ? -1 : 1),
);
const samples = 48;
/** Not in the middle, where the lines of a full mesh meet. */
const labelShares = [0.42, 0.5, 0.34, 0.58, 0.26, 0.66, 0.74];

/**
 * @param from Middle of a card, as are the others
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

/** Within reach of the farthest bow: others cannot be in its way. */
function mayBeMet(card: Place, from: Place, to: Place): boolean {
  const reach = bowsMax * bowStep;
  return (
    card.x > Math.min(from.x, to.x) - reach &&
    card.x < Math.max(from.x, to.x) + reach &&
    card.y > Math.min(from.y, to.y) - reach &&
    card.y < Math.max(from.y, to.y) + reach
  );
}

/** The first that meets no card; among very many, that which is behind them for the shortest part. */
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

/** Of the quadratic curve whose middle is `bow` away from the straight line. */
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

/** On what is to be seen of the way, where no card is, if there is such a place. */
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
