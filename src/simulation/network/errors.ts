/**
 * Errors as the system would raise them, so that the simulated network reports them in the same words as the real one.
 */

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
