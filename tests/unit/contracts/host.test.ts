import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { hostInUrl, parseHost } from '../../../contracts/host.ts';
import { hosts, hostTexts } from '../support/arbitrary.ts';

const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;

const canonical: [title: string, text: string, kind: 'name' | 'ipv4' | 'ipv6', form: string][] = [
  ['a name stays as it is', 'example.com', 'name', 'example.com'],
  ['upper case is folded', 'EXAMPLE.Com', 'name', 'example.com'],
  ['a single label is a name, as compose services have it', 'db', 'name', 'db'],
  ['an underscore may stand in a label, as in _dmarc', '_dmarc.my_host.example', 'name', '_dmarc.my_host.example'],
  ['a label may begin with a digit', '1password.com', 'name', '1password.com'],
  ['a name in punycode stays in punycode', 'xn--bcher-kva.example', 'name', 'xn--bcher-kva.example'],
  ['digits that are not the last label make no address', '10.0.0.1.example', 'name', '10.0.0.1.example'],
  ['0x in front of what is not hexadecimal is a name', '0xyz', 'name', '0xyz'],
  ['a label of 63 characters is one', 'a'.repeat(63), 'name', 'a'.repeat(63)],
  ['a name of 253 characters is one', longest, 'name', longest],
  ['four decimal numbers are an address', '192.0.2.1', 'ipv4', '192.0.2.1'],
  ['the highest address is one', '255.255.255.255', 'ipv4', '255.255.255.255'],
  ['the lowest address is one', '0.0.0.0', 'ipv4', '0.0.0.0'],
  ['IPv6 loses its brackets', '[2001:db8::1]', 'ipv6', '2001:db8::1'],
  ['IPv6 is compressed', '[2001:0DB8:0:0:0:0:0:1]', 'ipv6', '2001:db8::1'],
  ['the first of two equal runs of zeros is compressed', '[2001:0:0:1:0:0:1:1]', 'ipv6', '2001::1:0:0:1:1'],
  ['the longest run of zeros is compressed', '[2001:0:0:1:0:0:0:1]', 'ipv6', '2001:0:0:1::1'],
  ['a single zero group is written out', '[1:0:2:3:4:5:6:7]', 'ipv6', '1:0:2:3:4:5:6:7'],
  ['the unspecified address is "::"', '[0:0:0:0:0:0:0:0]', 'ipv6', '::'],
  ['the loopback address is "::1"', '[::1]', 'ipv6', '::1'],
  ['zeros at the end are compressed', '[fe80:0:0:0:0:0:0:0]', 'ipv6', 'fe80::'],
  ['a mapped address in hexadecimal groups is IPv6', '[::ffff:7f00:1]', 'ipv6', '::ffff:7f00:1'],
];

suite('a host has one canonical form', () => {
  for (const [title, text, kind, form] of canonical)
    test(title, () => assert.deepEqual(parseHost(text), { kind, text: form }));
});

const refused: [title: string, text: string, why: RegExp][] = [
  ['nothing', '', /is empty/],
  ['IPv4 in octal', '0177.0.0.1', /another form/],
  ['IPv4 in hexadecimal', '0x7f.0.0.1', /another form/],
  ['IPv4 in one hexadecimal number', '0x7f000001', /another form/],
  ['IPv4 in one decimal number', '2130706433', /another form/],
  ['IPv4 in short form', '127.1', /another form/],
  ['IPv4 of three numbers', '192.0.2', /another form/],
  ['IPv4 of five numbers', '1.2.3.4.5', /another form/],
  ['IPv4 with a number above 255', '1.2.3.256', /another form/],
  ['IPv4 with leading zeros', '127.0.0.01', /another form/],
  ['a name whose last label is a number', 'example.1', /another form/],
  ['a name whose last label is 0x', 'example.0x', /another form/],
  ['IPv4 inside IPv6', '[::ffff:127.0.0.1]', /embedded IPv4/],
  ['IPv6 with a zone', '[fe80::1%eth0]', /zone/],
  ['IPv6 without brackets', '::1', /bad label/],
  ['IPv6 of nine groups', '[1:2:3:4:5:6:7:8:9]', /eight groups/],
  ['IPv6 of seven groups', '[1:2:3:4:5:6:7]', /eight groups/],
  ['IPv6 with "::" that stands for nothing', '[1:2:3:4::5:6:7:8]', /eight groups/],
  ['IPv6 with two "::"', '[1::2::3]', /more than one/],
  ['IPv6 with three colons', '[1:::2]', /not an IPv6 address/],
  ['IPv6 with a group of five digits', '[12345::1]', /not an IPv6 address/],
  ['IPv6 that begins with a single colon', '[:1:2:3:4:5:6:7]', /not an IPv6 address/],
  ['empty brackets', '[]', /IPv6 address/],
  ['an unclosed bracket', '[::1', /unclosed/],
  ['a closed bracket alone', '::1]', /bad label/],
  ['a name in brackets', '[example.com]', /IPv6 address/],
  ['a trailing dot', 'example.com.', /ends with a dot/],
  ['a dot alone', '.', /ends with a dot/],
  ['an empty label', 'example..com', /empty label/],
  ['a leading dot', '.example.com', /empty label/],
  ['a label of 64 characters', 'a'.repeat(64), /bad label/],
  ['a name of 254 characters', `${longest}x`, /longer than 253/],
  ['a label that begins with a hyphen', '-a.example', /bad label/],
  ['a label that ends with a hyphen', 'a-.example', /bad label/],
  ['a letter outside ASCII', 'bücher.example', /printable ASCII/],
  ['a full-width dot', 'example\uff0ecom', /printable ASCII/],
  ['a soft hyphen', 'exam\u00adple.com', /printable ASCII/],
  ['a NUL', 'example.com\0.evil', /printable ASCII/],
  ['a space', 'exa mple.com', /printable ASCII/],
  ['a space at the end', 'example.com ', /printable ASCII/],
  ['a line break', 'example.com\r\nHost: evil', /printable ASCII/],
  ['userinfo', 'user@example.com', /bad label/],
  ['a port', 'example.com:443', /bad label/],
  ['a path', 'example.com/a', /bad label/],
  ['a wildcard', '*.example.com', /bad label/],
  ['a percent-encoded letter', 'ex%61mple.com', /bad label/],
  ['a backslash', 'example.com\\evil', /bad label/],
];

suite('what another parser could read differently is refused, with the reason', () => {
  for (const [title, text, why] of refused) {
    test(title, () => {
      const host = parseHost(text);
      assert.ok(host.kind === 'invalid', `it was read as ${JSON.stringify(host)}`);
      assert.match(host.why, why);
    });
  }
});

suite('for every text', () => {
  test('it is a host or a reason, never an exception', () => {
    fc.assert(
      fc.property(hostTexts, (text) => {
        const host = parseHost(text);
        return host.kind === 'invalid' ? host.why !== '' : host.text !== '';
      }),
    );
  });

  test('the canonical form, as it stands in a URL, is read as itself', () => {
    fc.assert(fc.property(hosts, (host) => assert.deepEqual(parseHost(hostInUrl(host)), host)));
  });

  test('upper and lower case are the same host', () => {
    fc.assert(fc.property(hosts, (host) => assert.deepEqual(parseHost(hostInUrl(host).toUpperCase()), host)));
  });

  test('whatever is accepted, a URL parser reads as the same host or refuses', () => {
    fc.assert(
      fc.property(hostTexts, (text) => {
        const host = parseHost(text);
        if (host.kind === 'invalid' || !URL.canParse(`https://${text}/`)) return;
        assert.equal(new URL(`https://${text}/`).hostname, hostInUrl(host));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a URL parser refuses of those at most names in broken punycode', () => {
    fc.assert(
      fc.property(hosts, (host) => URL.canParse(`https://${hostInUrl(host)}/`) || host.text.includes('xn--')),
      { numRuns: 2_000 },
    );
  });
});
