/** Where nodes stand: members in a ring, so that each pair has a straight way; cloud nodes in a row above. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export const cardWidth = 190;
export const cardHeight = 92;

const spacing = 250;
const cloudGap = 190;

export function placesOf(members: readonly string[], clouds: readonly string[]): Map<string, Place> {
  const places = new Map<string, Place>();
  // Wide rather than high, as windows are; a single one in the middle, two side by side.
  const radius = members.length < 2 ? 0 : Math.max(170, (members.length * spacing) / (2 * Math.PI));
  const start = members.length === 2 ? Math.PI : -Math.PI / 2;
  for (const [index, node] of members.entries()) {
    const angle = start + (index * 2 * Math.PI) / members.length;
    places.set(node, { x: Math.cos(angle) * radius * 1.35, y: Math.sin(angle) * radius });
  }
  const top = -radius - (clouds.length > 0 ? cloudGap : 0);
  for (const [index, node] of clouds.entries()) {
    places.set(node, { x: (index - (clouds.length - 1) / 2) * spacing, y: top });
  }
  return places;
}
