import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FlowId, Reason } from '../base/index.ts';
import {
  applyRevocationList,
  createRevocations,
  encodeRevocationList,
  isRevoked,
  maxRevocationIssuers,
  maxRevocationListBytes,
  maxRevokedSerials,
  readRevocationList,
} from './revocation.ts';
import { keyPair, nowSeconds, primitives } from './testing/issuing.ts';

const issuer = keyPair(1);
const stranger = keyPair(2);

function listOf(number: number, serials: readonly FlowId[], allBeforeSeconds = 0, seed = issuer.seed): Uint8Array {
  return encodeRevocationList(primitives, { number, issuedAtSeconds: nowSeconds, allBeforeSeconds, serials }, seed);
}

describe('revocation list', () => {
  it('has its fields at the places of the table, the serials in order', () => {
    const bytes = listOf(
      0x0102,
      [
        { hi: 2, lo: 1 },
        { hi: 1, lo: 2 },
        { hi: 2, lo: 1 },
      ],
      0x0304,
    );
    const hex = Buffer.from(bytes).toString('hex');
    const expected = [
      '01000002',
      Buffer.from(issuer.key).toString('hex'),
      '0000000000000102',
      nowSeconds.toString(16).padStart(16, '0'),
      '0000000000000304',
      '0000000100000002',
      '0000000200000001',
    ].join('');
    assert.equal(hex.slice(0, -128), expected);
  });

  it('revokes what it names, of its issuer alone', () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const ids = fc.uniqueArray(fc.record({ hi: fc.constantFrom(0, 1, 2 ** 32 - 1), lo: word }), {
      maxLength: 40,
      selector: ({ hi, lo }) => `${hi} ${lo}`,
    });
    fc.assert(
      fc.property(ids, (all) => {
        const revoked = all.filter((_, i) => i % 2 === 0);
        const store = createRevocations();
        assert.equal(applyRevocationList(primitives, store, listOf(1, revoked)), Reason.OK);
        for (const [i, id] of all.entries()) {
          assert.equal(isRevoked(store, issuer.key, id, nowSeconds), i % 2 === 0);
          assert.equal(isRevoked(store, stranger.key, id, nowSeconds), false);
        }
      }),
    );
  });

  it('voids every certificate issued before a moment', () => {
    const store = createRevocations();
    applyRevocationList(primitives, store, listOf(1, [], nowSeconds));
    assert.equal(isRevoked(store, issuer.key, { hi: 1, lo: 1 }, nowSeconds - 1), true);
    assert.equal(isRevoked(store, issuer.key, { hi: 1, lo: 1 }, nowSeconds), false);
  });

  it('only a higher number replaces a list: stale and replayed ones are out-of-date', () => {
    const store = createRevocations();
    const [one, two, three] = [
      { hi: 0, lo: 1 },
      { hi: 0, lo: 2 },
      { hi: 0, lo: 3 },
    ];
    const second = listOf(2, [two]);
    assert.equal(applyRevocationList(primitives, store, second), Reason.OK);
    assert.equal(applyRevocationList(primitives, store, second), Reason.OUT_OF_DATE);
    assert.equal(applyRevocationList(primitives, store, listOf(1, [one])), Reason.OUT_OF_DATE);
    assert.equal(store.generation, 1);
    assert.equal(applyRevocationList(primitives, store, listOf(3, [three])), Reason.OK);
    assert.deepEqual(
      [one, two, three].map((serial) => isRevoked(store, issuer.key, serial, nowSeconds)),
      [false, false, true],
    );
  });

  it('no bit of it can be changed', () => {
    const bytes = listOf(7, [
      { hi: 1, lo: 2 },
      { hi: 3, lo: 4 },
    ]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = bytes.slice();
      forged[bit >>> 3]! ^= 1 << (bit & 7);
      const { reason, list } = readRevocationList(primitives, forged);
      assert.ok(reason === Reason.BAD_SIGNATURE || reason === Reason.BAD_MESSAGE, `bit ${bit}`);
      assert.equal(list, undefined);
    }
  });

  it('malformed bytes are a bad-message: wrong length, version, order', () => {
    const bytes = listOf(7, [
      { hi: 1, lo: 2 },
      { hi: 3, lo: 4 },
    ]);
    const twisted = bytes.slice();
    twisted.set(bytes.subarray(68, 76), 60);
    const wrong = [new Uint8Array(0), bytes.subarray(1), bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), twisted];
    for (const garbage of wrong) assert.equal(readRevocationList(primitives, garbage).reason, Reason.BAD_MESSAGE);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        assert.notEqual(readRevocationList(primitives, garbage).reason, Reason.OK);
      }),
    );
  });

  it('is bounded: serials per list, issuers per store', () => {
    const serials = Array.from({ length: maxRevokedSerials + 1 }, (_, lo) => ({ hi: 0, lo }));
    assert.throws(() => listOf(1, serials), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => listOf(2 ** 53, []), { code: 'ERR_OUT_OF_RANGE' });
    const full = listOf(1, serials.slice(1));
    assert.equal(full.length, maxRevocationListBytes);
    const store = createRevocations();
    assert.equal(applyRevocationList(primitives, store, full), Reason.OK);
    assert.ok(isRevoked(store, issuer.key, serials[1]!, 0) && isRevoked(store, issuer.key, serials.at(-1)!, 0));
    for (let i = store.issuers.size; i < maxRevocationIssuers; i++)
      store.issuers.set(`${i}`, { number: 1, allBeforeSeconds: 0, serials: new DataView(new ArrayBuffer(0)) });
    assert.equal(applyRevocationList(primitives, store, listOf(1, [], 0, stranger.seed)), Reason.LIMIT);
    assert.equal(applyRevocationList(primitives, store, listOf(2, [])), Reason.OK);
  });
});
