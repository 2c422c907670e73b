/** Readable times and numbers. */

/** Time since the beginning of the records: `12.345 s`, `3:04.500`, `1:02:03.500`. */
export function sinceText(atMs: number, firstMs: number): string {
  const ms = Math.max(0, atMs - firstMs);
  const seconds = (ms / 1_000) % 60;
  const minutes = Math.floor(ms / 60_000) % 60;
  const hours = Math.floor(ms / 3_600_000);
  if (hours > 0) return `${hours}:${two(minutes)}:${seconds.toFixed(3).padStart(6, '0')}`;
  if (minutes > 0) return `${minutes}:${seconds.toFixed(3).padStart(6, '0')}`;
  return `${seconds.toFixed(3)} s`;
}

/** The time of day; undefined in simulations, whose records count from 0. */
export function clockText(atMs: number): string | undefined {
  return atMs < earliestDateMs ? undefined : new Date(atMs).toLocaleTimeString();
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `0.4 ms`, `12 ms`. */
export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

const earliestDateMs = 1e12;
