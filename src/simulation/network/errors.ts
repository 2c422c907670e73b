/** Errors as the system would raise them, so that the simulated network speaks of them in the words of the real one. */

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
