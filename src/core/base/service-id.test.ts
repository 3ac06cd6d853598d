import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatPrefix,
  formatServiceId,
  isServiceIdText,
  makePrefix,
  parsePrefix,
  parseServiceId,
  prefixContains,
  serviceIdBytes,
} from './service-id.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const invalid = { name: 'TypeError', code: 'ERR_INVALID_SERVICE_ID' };

/** The bits of an id as text, for a reference that shares no code. */
function bitsOf(id: Uint8Array): string {
  return [...id].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

describe('serviceID text form', () => {
  it('known ids: all zero, all one, and counting bytes', () => {
    assert.equal(formatServiceId(new Uint8Array(32)), 'a'.repeat(52));
    assert.equal(formatServiceId(new Uint8Array(32).fill(255)), `${'7'.repeat(51)}q`);
    const counting = Uint8Array.from({ length: 32 }, (_, i) => i);
    assert.equal(formatServiceId(counting), 'aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq');
  });

  it('every id comes back from its text, in either case', () => {
    fc.assert(
      fc.property(bytes32, (id) => {
        const text = formatServiceId(id);
        assert.match(text, /^[a-z2-7]{52}$/);
        assert.ok(isServiceIdText(text));
        assert.deepEqual(Uint8Array.from(parseServiceId(text)), id);
        assert.deepEqual(Uint8Array.from(parseServiceId(text.toUpperCase())), id);
      }),
    );
  });

  it('refuses wrong lengths, digits outside base32, and bits past the 256th', () => {
    const good = 'a'.repeat(52);
    const strange = [`1${good.slice(1)}`, `${good.slice(1)}é`, `${good.slice(1)}b`, `\u212a${good.slice(1)}`];
    for (const text of ['', good.slice(1), `${good}a`, ...strange]) {
      assert.throws(() => parseServiceId(text), invalid, text);
      assert.equal(isServiceIdText(text), false, text);
    }
  });

  it('serviceIdBytes takes 32 bytes only, and copies them', () => {
    const source = new Uint8Array(32);
    const id = serviceIdBytes(source);
    source[0] = 1;
    assert.equal(id[0], 0);
    assert.throws(() => serviceIdBytes(new Uint8Array(31)), invalid);
    assert.throws(() => serviceIdBytes(new Uint8Array(33)), invalid);
  });
});

describe('prefixes', () => {
  it('a prefix keeps its first bits and clears the rest', () => {
    fc.assert(
      fc.property(bytes32, fc.nat(256), (id, bits) => {
        const prefix = makePrefix(id, bits);
        assert.equal(bitsOf(prefix.id), bitsOf(id).slice(0, bits).padEnd(256, '0'));
        assert.ok(prefixContains(prefix, id));
      }),
    );
  });

  it('contains exactly the ids that begin with its bits', () => {
    fc.assert(
      fc.property(bytes32, fc.nat(256), fc.nat(255), (id, bits, flipped) => {
        const other = id.slice();
        other[flipped >> 3]! ^= 0x80 >> (flipped & 7);
        assert.equal(prefixContains(makePrefix(id, bits), other), flipped >= bits);
      }),
    );
  });

  it('text form: `/bits`, none for a whole id, and back', () => {
    fc.assert(
      fc.property(bytes32, fc.nat(256), (id, bits) => {
        const prefix = makePrefix(id, bits);
        const text = formatPrefix(prefix);
        assert.equal(text.includes('/'), bits < 256);
        assert.deepEqual(parsePrefix(text), prefix);
      }),
    );
    const text = 'a'.repeat(52);
    assert.equal(parsePrefix(`${text}/256`).bits, 256);
  });

  it('refuses bad lengths and bits set past the length', () => {
    const text = formatServiceId(new Uint8Array(32).fill(255));
    for (const suffix of ['/', '/-1', '/257', '/8/8', '/1e1', '/224'])
      assert.throws(() => parsePrefix(text + suffix), invalid, suffix);
    for (const bits of [-1, 257, 1.5, Number.NaN])
      assert.throws(() => makePrefix(new Uint8Array(32), bits), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  });
});
