import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressCheck } from '../../../addon/upstream/address.ts';

const check = addressCheck([]);

test('addresses that are not plainly public are refused', () => {
  for (const address of [
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:7f00:1',
    '::7f00:1',
    '64:ff9b::808:808',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:808:808::',
    '3fff::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '4000::1',
    'not an address',
    '',
  ])
    assert.equal(check(address).kind, 'refused', address);
});

test('public addresses are not', () => {
  for (const address of [
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450::1',
  ])
    assert.equal(check(address).kind, 'public', address);
});

test('allow_private opens exactly its blocks', () => {
  const some = addressCheck(['10.1.0.0/16', 'fd00:1::/32', '127.0.0.1']);
  for (const address of ['10.1.2.3', 'fd00:1::5', '127.0.0.1']) assert.equal(some(address).kind, 'public', address);
  for (const address of ['10.2.0.1', 'fd00:2::5', '127.0.0.2', '192.168.0.1'])
    assert.equal(some(address).kind, 'refused', address);
});

test('a mapped address is not let in by a block of the address inside it', () => {
  assert.equal(addressCheck(['10.0.0.0/8'])('64:ff9b::a00:1').kind, 'refused');
});

test('the reason is one that a user understands', () => {
  const why = (address: string) => {
    const answer = check(address);
    return answer.kind === 'refused' ? answer.why : '';
  };
  assert.equal(why('10.0.0.1'), 'is a private address');
  assert.equal(why('169.254.169.254'), 'is a metadata address');
  assert.equal(why('127.0.0.1'), 'is a loopback address');
});
