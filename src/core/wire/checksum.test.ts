// The Internet checksum against packets whose sums are known, and against the definition word by word.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { internetChecksum, transportChecksum, verifyTransportChecksum } from './index.ts';

function viewOf(hex: string): DataView {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return new DataView(bytes.buffer);
}

/** One's complement sum as RFC 1071 section 1 words it. */
function reference(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

test('checksum: the example of RFC 1071 section 3', () => {
  assert.equal(internetChecksum(viewOf('0001f203f4f5f6f7'), 0, 8), ~0xddf2 & 0xffff);
});

test('checksum: an IPv4 header sums to zero with its checksum in place', () => {
  const header = '4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7';
  assert.equal(internetChecksum(viewOf(header), 0, 20), 0);
  assert.equal(internetChecksum(viewOf(header.replace('b861', '0000')), 0, 20), 0xb861);
});

test('checksum: any length at any offset agrees with the definition', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), fc.nat(5), (data, offset) => {
      const padded = new Uint8Array(offset + data.length + 4).fill(0xff);
      padded.set(data, offset);
      assert.equal(internetChecksum(new DataView(padded.buffer), offset, data.length), reference([...data]));
    }),
    { numRuns: 300 },
  );
});

test('checksum: 64 KiB of ones do not overflow', () => {
  const bytes = new Uint8Array(65536).fill(0xff);
  assert.equal(internetChecksum(new DataView(bytes.buffer), 0, 65536), 0);
});

for (const [family, addressBytes] of [
  ['IPv4', 4],
  ['IPv6', 16],
] as const) {
  test(`checksum: ${family} pseudo header; any change of one bit is noticed`, () => {
    const address = fc.uint8Array({ minLength: addressBytes, maxLength: addressBytes });
    const segment = fc.uint8Array({ minLength: 20, maxLength: 61 });
    fc.assert(
      fc.property(address, address, segment, fc.nat(), (source, destination, data, where) => {
        const view = new DataView(data.buffer, 0, data.length);
        view.setUint16(16, 0);
        const pseudo = [...source, ...destination, 0, 0, 0, data.length, 0, 0, 0, 6];
        const even = data.length % 2 === 0 ? [...data] : [...data, 0];
        const sum = transportChecksum(view, 0, data.length, source, destination, 6);
        assert.equal(sum, reference([...pseudo, ...even]));
        view.setUint16(16, sum);
        assert.ok(verifyTransportChecksum(view, 0, data.length, source, destination, 6));
        const bit = where % (data.length * 8);
        data[bit >> 3]! ^= 1 << (bit & 7);
        assert.ok(!verifyTransportChecksum(view, 0, data.length, source, destination, 6));
      }),
      { numRuns: 200 },
    );
  });
}
