/**
 * Nobody sends data over a connection before the other side has said, in a handshake, who it is: vector clocks and batches go only
 * to whom one knows.
 */
import type { CheckerFactory } from '../checker.js';

/** The numbers of frames on the wire: see `protocol/wire.ts`. */
const handshakes: ReadonlySet<number> = new Set([1, 2]);
const beforeAdmission: ReadonlySet<number> = new Set([...handshakes, 39]);
const typeOffset = 4;

export const authentication: CheckerFactory = (_, report) => {
  /** Of each stream, who has heard a handshake of the other side. */
  const introduced = new Map<number, Set<string>>();
  return {
    name: 'authentication',
    kind: 'safety',
    delivered({ from, to, kind, stream, bytes }) {
      if (stream === undefined) return;
      if (kind === 'end') {
        introduced.delete(stream);
        return;
      }
      const type = bytes?.[typeOffset];
      if (type === undefined) return;
      const known = introduced.get(stream);
      if (handshakes.has(type)) {
        if (known === undefined) introduced.set(stream, new Set([to]));
        else known.add(to);
      } else if (known?.has(from) !== true && !beforeAdmission.has(type)) {
        report(`${from} has sent frame ${type} to ${to} before a handshake had come from there.`);
      }
    },
  };
};
