/**
 * Whether a passphrase is easy to guess. scrypt makes each guess expensive, but a passphrase among the first thousands
 * of guesses falls all the same.
 *
 * A passphrase is worth what remains after removing everything that an attacker tries first: common words, the names of
 * this cluster, repeated parts and rows of neighboring characters. This finds what people type in a hurry. A passphrase
 * that passes is not proved strong.
 */

/**
 * The minimum of bits. With fewer, an attacker's milliseconds of guessing do not add up. It equals about six words of a
 * list, or 12 random letters and digits.
 */
const bitsMin = 50;
const wordBits = 6;
const charactersMin = 5;

/** Words that are tried first, in lower case. */
const words = [
  ...['password', 'passwort', 'passwd', 'passphrase', 'secret', 'geheim', 'changeme', 'change', 'letmein', 'welcome'],
  ...['admin', 'administrator', 'root', 'user', 'test', 'testing', 'example', 'default', 'cluster', 'clusterkey'],
  ...['statemesh', 'entgldb', 'qwerty', 'qwertz', 'azerty', 'iloveyou', 'monkey', 'dragon', 'master', 'login', 'hello'],
  ...[
    'abc123',
    'trustno1',
    'key',
    'shop',
    'office',
    'till',
    'node',
    'server',
    'database',
    'company',
    'summer',
    'winter',
  ],
].sort((a, b) => b.length - a.length);

/** Rows of neighboring characters, on keyboards and in alphabetical order. */
const rows = [
  '0123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'qwertzuiop',
  'asdfghjkl',
  'zxcvbnm',
  'yxcvbnm',
];

/**
 * Why a passphrase is easy to guess, as the end of a sentence that does not repeat the passphrase; undefined if no
 * weakness is found.
 *
 * @param names The names of the node, the cluster and the machine, which an attacker knows
 */
export function keyWeakness(passphrase: string, names: readonly string[] = []): string | undefined {
  if (passphrase.trim() === '') return 'it consists of blanks only';
  if (new Set(passphrase).size < charactersMin) return 'it has few different characters';
  const text = passphrase.toLowerCase();
  const known = names.map((name) => name.toLowerCase()).filter((name) => name.length >= wordLengthMin);
  if (known.some((name) => text === name)) return 'it is a name that the cluster shows publicly';
  let bits = 0;
  let rest = text;
  for (const word of [...known.sort((a, b) => b.length - a.length), ...words]) {
    const parts = rest.split(word);
    bits += parts.length > 1 ? wordBits : 0;
    rest = parts.join('\0');
  }
  bits += rest
    .split('\0')
    .map((part) => withoutRows(withoutRepeats(part)))
    .reduce((sum, part) => sum + part.length * Math.log2(poolOf(passphrase)), 0);
  return bits < bitsMin
    ? 'it is made of parts that attackers try first: common words, names, rows or repeats'
    : undefined;
}

const wordLengthMin = 3;

/** Removes repeats of a part: `abcabcabc` becomes `abc`. */
function withoutRepeats(text: string): string {
  return text.replace(/(.{1,16}?)\1+/gsu, '$1');
}

/** Keeps only the first character of a row, in either direction. */
function withoutRows(text: string): string {
  return [...text]
    .filter((character, index, all) => index === 0 || !isNeighbor(all[index - 1] as string, character))
    .join('');
}

function isNeighbor(a: string, b: string): boolean {
  return rows.some((row) => {
    const [one, other] = [row.indexOf(a), row.indexOf(b)];
    return one !== -1 && other !== -1 && (Math.abs(one - other) === 1 || Math.abs(one - other) === row.length - 1);
  });
}

/** How many characters an attacker has to try at each place. */
function poolOf(text: string): number {
  const pools: readonly (readonly [RegExp, number])[] = [
    [/[a-z]/, 26],
    [/[A-Z]/, 26],
    [/\d/, 10],
    [/[^A-Za-z0-9]/, 20],
  ];
  return pools.reduce((sum, [pattern, size]) => (pattern.test(text) ? sum + size : sum), 0);
}
