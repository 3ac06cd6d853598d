import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../base/index.ts';
import { createRecordCipher, drawBranch, rekey } from './record-cipher.ts';
import type { RecordCipher } from './records.ts';
import { countingPrimitives } from './testing/counting.ts';

const { aead } = countingPrimitives(4);
const nothing = new Uint8Array(0);
const keys = bytes(32, 32);
const headers = bytes(12, 12);
const bodies = bytes(0, 300);
/** Its last one is the number of no record: it makes the next key. */
const numbers = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 2),
  fc.integer({ min: 0, max: 2 ** 53 - 2 }),
);

function bytes(minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength, maxLength });
}

describe('record cipher', () => {
  it('a record is what AES-256-GCM of node:crypto makes of it, the header authenticated', () => {
    fc.assert(
      fc.property(keys, numbers, headers, bodies, fc.nat(300), (key, number, header, body, cut) => {
        const cipher = createRecordCipher(aead, aead.importKey(key));
        const sealed = seal(cipher, header, number, body, cut);
        assert.deepEqual(sealed, sealByNode(key, number, header, body));
        assert.deepEqual(open(cipher, header, number, sealed), body);
        cipher.release();
      }),
    );
  });

  it('a record with any bit flipped in header, body or tag, or of another number, is refused', () => {
    const cipher = createRecordCipher(aead, aead.importKey(new Uint8Array(32).fill(1)));
    const header = new Uint8Array(12).fill(2);
    const sealed = seal(cipher, header, 5, Uint8Array.of(3, 4, 5), 0);
    const record = Uint8Array.of(...header, ...sealed);
    for (let bit = 0; bit < record.length * 8; bit++) {
      const changed = record.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      assert.equal(open(cipher, changed.subarray(0, 12), 5, changed.subarray(12)), undefined, `bit ${bit}`);
    }
    for (const number of [0, 4, 6, 5 + 2 ** 32]) assert.equal(open(cipher, header, number, sealed), undefined);
    assert.deepEqual(open(cipher, header, 5, sealed), Uint8Array.of(3, 4, 5));
    cipher.release();
  });

  // Noise's REKEY (rev. 34 section 4.2) is the same, the first 32 bytes of ENCRYPT(k, nonce, no data, 32 zeros), but its
  // nonce is 2^64 - 1: ours is 2^53 - 1, the last that a counter of ours can have, since counters are doubles.
  it('the next key is what the present one makes of 32 zeros under the last number, time after time', () => {
    fc.assert(
      fc.property(keys, headers, bodies, fc.integer({ min: 1, max: 4 }), (first, header, body, times) => {
        const cipher = createRecordCipher(aead, aead.importKey(first));
        let index = aead.importKey(first);
        let key = first;
        for (let i = 0; i < times; i++) {
          key = sealByNode(key, 2 ** 53 - 1, nothing, new Uint8Array(32)).slice(0, 32);
          cipher.nextKey();
          index = rekey(aead, index);
        }
        const expected = sealByNode(key, times, header, body);
        assert.deepEqual(seal(cipher, header, times, body, 0), expected);
        assert.deepEqual(seal(createRecordCipher(aead, index), header, times, body, 0), expected);
        cipher.release();
        aead.releaseKey(index);
      }),
    );
  });

  it('the old key opens nothing of the new one', () => {
    const [before, after] = [aead.importKey(new Uint8Array(32)), aead.importKey(new Uint8Array(32))];
    const [old, cipher] = [createRecordCipher(aead, before), createRecordCipher(aead, after)];
    cipher.nextKey();
    const header = new Uint8Array(12);
    const sealed = seal(cipher, header, 0, nothing, 0);
    assert.equal(open(old, header, 0, sealed), undefined);
    assert.deepEqual(open(cipher, header, 0, sealed), nothing);
    old.release();
    cipher.release();
  });

  it('a branch of a key is what it makes of 32 zeros under the number of the branch, and the cipher stays', () => {
    const cipher = createRecordCipher(aead, aead.importKey(new Uint8Array(32).fill(9)));
    const expected = sealByNode(cipher.exportKey(), 2 ** 52 + 77, nothing, new Uint8Array(32)).slice(0, 32);
    const branch = cipher.branch(2 ** 52 + 77);
    assert.deepEqual(branch.exportKey(), expected);
    assert.deepEqual(cipher.exportKey(), new Uint8Array(32).fill(9));
    const next = cipher.exportKey();
    cipher.nextKey();
    for (const other of [cipher.exportKey(), next]) assert.notDeepEqual(other, expected);
    cipher.release();
    branch.release();
  });

  it('numbers of branches are no records’ and not that of the next key', () => {
    const random = { ...seededRandom(1), uint32: () => 0xffffffff };
    assert.equal(drawBranch(random), 2 ** 52 + 2 ** 51 - 1);
    assert.equal(drawBranch({ ...random, uint32: () => 0 }), 2 ** 52);
  });

  it('holds one key at a time, and none after its release', () => {
    const { held } = aead;
    const cipher = createRecordCipher(aead, aead.importKey(new Uint8Array(32)));
    for (let i = 0; i < 100; i++) {
      cipher.nextKey();
      assert.equal(aead.held, held + 1);
    }
    cipher.release();
    assert.equal(aead.held, held);
  });
});

/** Body and tag; the body in two pieces. */
function seal(cipher: RecordCipher, header: Uint8Array, number: number, body: Uint8Array, cut: number): Uint8Array {
  const first = Math.min(cut, body.length);
  const sealed = new Uint8Array(body.length + cipher.tagBytes);
  cipher.beginSeal(header, number);
  cipher.update(body, 0, sealed, 0, first);
  cipher.update(body, first, sealed, first, body.length - first);
  cipher.finishSeal(sealed.subarray(body.length));
  return sealed;
}

/** Undefined: refused. */
function open(cipher: RecordCipher, header: Uint8Array, number: number, sealed: Uint8Array): Uint8Array | undefined {
  const body = new Uint8Array(sealed.length - cipher.tagBytes);
  cipher.beginOpen(header, number);
  cipher.update(sealed, 0, body, 0, body.length);
  return cipher.finishOpen(sealed.subarray(body.length)) ? body : undefined;
}

function sealByNode(key: Uint8Array, counter: number, associatedData: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(counter), 4);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData);
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}
