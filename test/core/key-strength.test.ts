/** Which passphrases are easy to guess. */
import { describe, expect, it } from '@jest/globals';
import { keyWeakness } from '../../src/core/key-strength.js';

describe('keyWeakness', () => {
  it.each([
    'aaaaaaaaaaaa',
    ' '.repeat(12),
    '\t \t \t \t \t \t ',
    'password1234',
    'Password1234!',
    'PASSWORDPASSWORD',
    '123456789012',
    '098765432109',
    'abcdefghijkl',
    'qwertyuiop12',
    'abababababab',
    'abcdabcdabcd',
    'secretsecret',
    'changeme1234',
    'statemesh2026',
    'corner-shop',
    'corner-shop-1',
    'till-1till-1',
    'TILL-1 corner-shop',
    '201120262011',
    '😀😀😀😀😀😀😀😀😀😀😀😀',
  ])('%j -> weak, with a reason that does not contain it', (passphrase) => {
    const weakness = keyWeakness(passphrase, ['till-1', 'corner-shop']);
    expect(weakness).toBeDefined();
    expect(weakness).not.toContain(passphrase.trim() || '\t');
  });

  it.each([
    'a long secret that your nodes share',
    'correct horse battery staple',
    'planted-cluster-key-0123456789',
    'Qm7zKd2wPx9v',
    '3q2-7wAtHv4mYk8sRzLb5nEc6gUj1xPd9oQfTiWuZaM',
    'ein langer Satz mit Umlauten: äöü',
  ])('%j -> no weakness found', (passphrase) => {
    expect(keyWeakness(passphrase, ['till-1', 'corner-shop', 'a', ''])).toBeUndefined();
  });
});
