/**
 * The positions of nodes: members in a ring, so that each pair has a straight line; cloud nodes in a row above. Members
 * that are connected with the cloud are at the top of the ring, so that their links run behind no other node.
 */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export const cardWidth = 190;
export const cardHeight = 92;

const spacing = 250;
const cloudGap = 190;

/** @param upper Members that belong at the top of the ring */
export function placesOf(
  members: readonly string[],
  clouds: readonly string[],
  upper: readonly string[] = [],
): Map<string, Place> {
  const places = new Map<string, Place>();
  // Wider than high, as windows are; a single member in the middle, two side by side.
  const radius = members.length < 2 ? 0 : Math.max(170, (members.length * spacing) / (2 * Math.PI));
  const start = members.length === 2 ? Math.PI : -Math.PI / 2;
  for (const [index, node] of inRing(members, upper).entries()) {
    const angle = start + (index * 2 * Math.PI) / members.length;
    places.set(node, { x: Math.cos(angle) * radius * 1.35, y: Math.sin(angle) * radius });
  }
  const top = -radius - (clouds.length > 0 ? cloudGap : 0);
  for (const [index, node] of clouds.entries()) {
    places.set(node, { x: (index - (clouds.length - 1) / 2) * spacing, y: top });
  }
  return places;
}

/**
 * Clockwise from the top. The upper members stand at the top and beside it, alternating sides; the others keep their
 * order.
 */
function inRing(members: readonly string[], upper: readonly string[]): readonly string[] {
  const others = members.filter((member) => !upper.includes(member));
  const [right, left]: [string[], string[]] = [[], []];
  for (const [index, member] of upper.filter((each) => members.includes(each)).entries())
    (index % 2 === 0 && index > 0 ? left : right).push(member);
  return [...right, ...others, ...left.toReversed()];
}
