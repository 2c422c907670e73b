/** Where an authority may send its clients. */
import { describe, expect, it } from '@jest/globals';
import { isSafeOrigin, isSafeUrl, isTargetOf } from '../../src/core/authority-target.js';

describe('isTargetOf', () => {
  const authority = 'https://identity.example.com/realm';
  const local = 'http://127.0.0.1:4000/realm';
  it.each<[string, string, string[], boolean]>([
    [authority, 'https://identity.example.com/token', [], true],
    [authority, 'https://IDENTITY.example.com:443/token', [], true],
    [authority, 'https://identity.example.com:444/token', [], false],
    [authority, 'http://identity.example.com/token', [], false],
    [authority, 'https://identity.example.com.evil.example/token', [], false],
    [authority, 'https://identity.example.com@evil.example/token', [], false],
    [authority, 'https://tokens.example.com/token', ['https://tokens.example.com'], true],
    [authority, 'https://tokens.example.com/token', ['https://tokens.example.com:8443'], false],
    [authority, 'http://127.0.0.1:4000/token', ['http://127.0.0.1:4000'], false],
    [authority, 'https://localhost/token', ['https://localhost'], false],
    [authority, 'https://a.localhost./token', ['https://a.localhost.'], false],
    [authority, 'https://0.0.0.0/token', ['https://0.0.0.0'], false],
    [authority, 'https://[::ffff:127.0.0.1]/token', ['https://[::ffff:127.0.0.1]'], false],
    [local, 'http://127.0.0.1:4000/token', [], true],
    [local, 'http://127.0.0.1:4001/token', [], false],
    [local, 'http://127.0.0.1:4001/token', ['http://127.0.0.1:4001'], true],
    [local, 'no URL', [], false],
  ])('%s sends to %s, with %j listed -> %j', (from, to, origins, expected) => {
    expect(isTargetOf(from, to, origins)).toBe(expected);
  });
});

describe('isSafeUrl', () => {
  it.each<[string, boolean]>([
    ['https://a.example/x?y#z', true],
    ['http://localhost:1', true],
    ['http://[::1]:1', true],
    ['http://a.localhost', false],
    ['http://192.0.2.1', false],
    ['https://a:b@a.example', false],
    ['javascript:alert(1)', false],
    ['/x', false],
  ])('%s -> %j', (url, expected) => {
    expect(isSafeUrl(url)).toBe(expected);
  });
});

describe('isSafeOrigin', () => {
  it.each<[string, boolean]>([
    ['https://a.example', true],
    ['https://a.example/', true],
    ['https://a.example:8443', true],
    ['https://a.example/realm', false],
    ['https://a.example?x', false],
    ['http://a.example', false],
    ['http://127.0.0.1:4000', true],
    ['a.example', false],
  ])('%s -> %j', (text, expected) => {
    expect(isSafeOrigin(text)).toBe(expected);
  });
});
