/** Which control sockets may receive secrets. */
import { describe, expect, it } from '@jest/globals';
import { assertOwnSocket, type FileStatus } from '../../src/control/trust.js';

const [me, other, root] = [1_000, 1_001, 0];
const status = (uid: number, mode: number, isSocket = false): FileStatus => ({ uid, mode, isSocket: () => isSocket });
const socket = (uid: number, mode = 0o600) => status(uid, mode, true);

function refusal(uid: number, of: FileStatus, directory: FileStatus): string | undefined {
  try {
    assertOwnSocket({ path: '/data/control.sock', socket: of, directory }, uid);
    return undefined;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(code).toBe('controlForeign');
    return message;
  }
}

describe('assertOwnSocket', () => {
  it.each<[string, number, FileStatus, FileStatus]>([
    ['ours, in our directory', me, socket(me), status(me, 0o700)],
    ['ours, where others may look', me, socket(me), status(me, 0o755)],
    ['ours, where others may add but not take away', me, socket(me), status(root, 0o1777)],
    ['that of root', me, socket(root), status(root, 0o755)],
    ['root asks a node of another user', root, socket(other), status(other, 0o700)],
    ['root asks its own', root, socket(root), status(root, 0o700)],
  ])('%s -> accepted', (_, uid, of, directory) => {
    expect(refusal(uid, of, directory)).toBeUndefined();
  });

  it.each<[string, number, FileStatus, FileStatus]>([
    ['that of another user', me, socket(other), status(me, 0o700)],
    ['that of another user, where all may add', me, socket(other), status(root, 0o1777)],
    ['ours, where others may take it away', me, socket(me), status(me, 0o777)],
    ['ours, where our group may take it away', me, socket(me), status(me, 0o775)],
    ['ours, in a directory of another user', me, socket(me), status(other, 0o755)],
    ['ours, open to others', me, socket(me, 0o666), status(me, 0o700)],
    ['no socket', me, status(me, 0o600), status(me, 0o700)],
    ['root asks, a third user answers', root, socket(other), status(me, 0o755)],
    ['root asks, where others may write', root, socket(root), status(root, 0o777)],
  ])('%s -> controlForeign, and what to do', (_, uid, of, directory) => {
    expect(refusal(uid, of, directory)).toMatch(/control\.sock .* so nothing is sent to it: \w+/);
  });
});
