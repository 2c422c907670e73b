import { describe, expect, it } from '@jest/globals';
import { isLoopback, parseCloudAddress } from '../../src/core/address.js';
import { limits } from '../../src/core/limits.js';

describe('parseCloudAddress', () => {
  it.each([
    ['cloud.example:9000', { host: 'cloud.example', port: 9000, isEncrypted: true, webSocketPath: undefined }],
    ['[2001:db8::1]:9000', { host: '2001:db8::1', port: 9000, isEncrypted: true, webSocketPath: undefined }],
    ['wss://cloud.example', { host: 'cloud.example', port: 443, isEncrypted: true, webSocketPath: '/' }],
    [
      'wss://cloud.example:8443/a/b?c=d',
      { host: 'cloud.example', port: 8443, isEncrypted: true, webSocketPath: '/a/b?c=d' },
    ],
    ['wss://[2001:db8::1]/', { host: '2001:db8::1', port: 443, isEncrypted: true, webSocketPath: '/' }],
    ['tcp://127.0.0.1:9000', { host: '127.0.0.1', port: 9000, isEncrypted: false, webSocketPath: undefined }],
    ['ws://localhost:9000/sync', { host: 'localhost', port: 9000, isEncrypted: false, webSocketPath: '/sync' }],
    ['ws://[::1]:9000', { host: '::1', port: 9000, isEncrypted: false, webSocketPath: '/' }],
  ])('cloud address: %s -> is parsed', (text, parts) => {
    expect(parseCloudAddress(text)).toEqual(parts);
  });

  it.each([
    ...[
      '',
      'cloud.example',
      'cloud.example:0',
      'cloud.example:70000',
      'https://cloud.example/',
      'wss://',
      'wss:///path',
    ],
    ...[
      'wss://user:secret@cloud.example/',
      'wss://cloud.example:99999/',
      'wss://cloud.example/a b',
      'wss://cloud.example/#x',
    ],
    ...[
      'tcp://127.0.0.1',
      'tcp://127.0.0.1:9000/path',
      'ws://localhost/sync',
      'WSS://cloud.example/',
      'wss://cloud.example?x',
    ],
    ...[
      'wss://cloud.example/\r\nX: y',
      `wss://cloud.example/${'x'.repeat(limits.cloudAddressLengthMax)}`,
      7 as unknown as string,
    ],
  ])('cloud address: %j -> peerInvalid', (text) => {
    expect(() => parseCloudAddress(text)).toThrow(expect.objectContaining({ code: 'peerInvalid' }));
  });

  it.each(['tcp://10.0.0.1:9000', 'ws://cloud.example:80/sync', 'ws://127.0.0.1.example:80/'])(
    'cloud address: %s, unencrypted outside loopback -> plaintextRefused',
    (text) => {
      expect(() => parseCloudAddress(text)).toThrow(expect.objectContaining({ code: 'plaintextRefused' }));
    },
  );
});

describe('isLoopback', () => {
  it.each(['localhost', 'LocalHost', '127.0.0.1', '127.9.9.9', '::1', '0:0::1'])('host: %s -> is loopback', (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(['128.0.0.1', '127.0.0.1.example', '127.1', '0.0.0.0', '::', '::2', 'localhost.example'])(
    'host: %s -> is not loopback',
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});
