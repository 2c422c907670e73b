/**
 * Where a disk that broke its promise can have cut a write-ahead log. What a checkpoint has copied into the database
 * was on disk before that, so a cut lies behind it: any other cut would give a file that no crash leaves.
 *
 * Source: the SQLite documentation, "WAL-mode File Format": a header of 32 bytes, then frames of 24 bytes and a page.
 */
const walHeaderBytes = 32;
const frameHeaderBytes = 24;
const pageSizeOffset = 8;
const saltsOffset = 16;
const saltsBytes = 8;

/**
 * @param wal The log, whose frames of earlier rounds (other salts) may still follow the valid ones
 * @param database The database file beside it
 * @param shareKept How much of the frames stays, from 0 to 1
 * @returns The length in bytes to which the log is cut; undefined when nothing of it can be lost
 */
export function tornLength(wal: Buffer, database: Buffer, shareKept: number): number | undefined {
  if (wal.length <= walHeaderBytes) return undefined;
  const pageBytes = wal.readUInt32BE(pageSizeOffset);
  const frameBytes = frameHeaderBytes + pageBytes;
  const salts = wal.subarray(saltsOffset, saltsOffset + saltsBytes);
  const startOf = (frame: number) => walHeaderBytes + frame * frameBytes;
  const isValid = (frame: number) =>
    startOf(frame + 1) <= wal.length && wal.subarray(startOf(frame) + 8, startOf(frame) + 8 + saltsBytes).equals(salts);
  let frames = 0;
  while (isValid(frames)) frames += 1;
  if (frames === 0) return undefined;
  const last = startOf(frames - 1);
  const content = wal.subarray(last + frameHeaderBytes, last + frameBytes);
  const page = wal.readUInt32BE(last);
  // A checkpoint copies all frames or none, because no reader is active meanwhile: the last frame stands for all.
  if (database.subarray((page - 1) * pageBytes, page * pageBytes).equals(content)) return undefined;
  return startOf(Math.floor(frames * shareKept));
}
