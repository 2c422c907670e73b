import { describe, expect, test } from '@jest/globals';
import { addressRange, neighborhood } from '../../src/core/address-range.js';

describe('addressRange', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['shop.example', 'shop.example'],
    ['', ''],
    ['constructor', 'constructor'],
    ['1:2:3', '1:2:3'],
  ])('%s -> %s', (host, range) => {
    expect(addressRange(host)).toBe(range);
  });
});

describe('neighborhood', () => {
  test('IPv4, also written as IPv6 -> its /24; IPv6 -> its /64; a name -> itself', () => {
    expect(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:1:2::7', 'shop.example'].map(neighborhood)).toEqual([
      '10.1.2.0/24',
      '10.1.2.0/24',
      '2001:db8:1:2::/64',
      'shop.example',
    ]);
  });
});
