/** The ways in which a text may be repeated; implemented independently, because the tested code decodes them. */

const hexOf = (plain: string): string => Buffer.from(plain).toString('hex');
const percents = (plain: string): string => hexOf(plain).replace(/../g, (byte) => `%${byte}`);
const escapes = (plain: string): string =>
  plain.replace(/./g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
/** The position of a text within three bytes decides its encoded form. */
const shifts = ['', 'a', 'ab'];

export const encodings: readonly ((plain: string) => string)[] = [
  (plain) => plain,
  encodeURIComponent,
  percents,
  (plain) => percents(plain).toUpperCase(),
  (plain) => new URLSearchParams({ '': plain }).toString().slice(1),
  (plain) => JSON.stringify(plain).slice(1, -1),
  (plain) => JSON.stringify(JSON.stringify(plain)).slice(3, -3),
  escapes,
  (plain) => escapes(plain).replace(/[a-f]/g, (digit) => digit.toUpperCase()),
  hexOf,
  (plain) => hexOf(plain).toUpperCase(),
  ...shifts.map((shift) => (plain: string) => Buffer.from(shift + plain).toString('base64')),
  ...shifts.map((shift) => (plain: string) => Buffer.from(shift + plain).toString('base64url')),
];

/** What would betray a text: each encoding, without the ends that its neighbors change. */
export function tracesOf(plain: string): string[] {
  return encodings.map((encode) => encode(plain).replace(/=+$/, '')).map((form) => form.slice(4, -4));
}
