/** A hash of texts, to tell whether they have changed without keeping them. */
import { createHash } from 'node:crypto';

/** SHA-256 of texts one after the other, base64url. No text may contain a NUL; names and JSON texts do not. */
export function hashTexts(texts: Iterable<string>): string {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text}\0`);
  return digest.digest('base64url');
}
