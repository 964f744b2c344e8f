import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type Cidr, parseCidr } from '../../../contracts/cidr.ts';

suite('a CIDR block', () => {
  const rows: [text: string, block: Cidr][] = [
    ['172.16.0.0/12', { family: 'ipv4', address: '172.16.0.0', prefix: 12 }],
    ['0.0.0.0/0', { family: 'ipv4', address: '0.0.0.0', prefix: 0 }],
    ['192.0.2.1', { family: 'ipv4', address: '192.0.2.1', prefix: 32 }],
    ['fd00::/8', { family: 'ipv6', address: 'fd00::', prefix: 8 }],
    ['2001:DB8::/32', { family: 'ipv6', address: '2001:db8::', prefix: 32 }],
    ['::1', { family: 'ipv6', address: '::1', prefix: 128 }],
  ];
  for (const [text, block] of rows) test(`${text} is one`, () => assert.deepEqual(parseCidr(text), block));

  const refused: [text: string, why: RegExp][] = [
    ['', /IP address/],
    ['10.0.0.0/33', /0–32/],
    ['fd00::/129', /0–128/],
    ['10.0.0.0/', /0–32/],
    ['10.0.0.0/-1', /0–32/],
    ['10.0.0.0/8 ', /0–32/],
    ['10.0.0.0/0x8', /0–32/],
    ['10.0.0.0/8/8', /ADDRESS\/PREFIX/],
    ['10.0.0/8', /IP address/],
    ['012.0.0.0/8', /IP address/],
    ['example.com/8', /IP address/],
    ['[fd00::]/8', /IP address/],
    ['::ffff:10.0.0.0/104', /IP address/],
    ['fe80::1%eth0/64', /IP address/],
    ['*', /IP address/],
  ];
  for (const [text, why] of refused) {
    test(`"${text}" is none`, () => {
      const block = parseCidr(text);
      assert.ok('kind' in block, `it was read as ${JSON.stringify(block)}`);
      assert.match(block.why, why);
    });
  }

  test('is a block or a reason for every text, never an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const block = parseCidr(text);
        return 'kind' in block ? block.why !== '' : true;
      }),
    );
  });

  test('that is accepted is taken by the list that addresses are checked with', () => {
    const ipv4 = fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, prefix]) => `${address}/${prefix}`);
    const groups = fc.array(fc.stringMatching(/^[0-9a-f]{1,4}$/), { minLength: 8, maxLength: 8 });
    const ipv6 = fc.tuple(groups, fc.nat(128)).map(([parts, prefix]) => `${parts.join(':')}/${prefix}`);
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), (text) => {
        const block = parseCidr(text);
        assert.ok(!('kind' in block));
        const list = new BlockList();
        list.addSubnet(block.address, block.prefix, block.family);
        assert.equal(list.check(block.address, block.family), true);
      }),
    );
  });
});
