import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatServiceId, type Reason, seededRandom } from '../core/base/index.ts';
import {
  applyRevocationList,
  createRevocations,
  createTrust,
  encodeRevocationList,
  selfCertifyingId,
  ssIdText,
} from '../core/security/index.ts';
import { createCrypto } from '../crypto/index.ts';
import { listRevocations, type RevocationContext, takeRevocations } from './revocations.ts';

const primitives = { ...createCrypto(), random: seededRandom(1) };
const seed = new Uint8Array(32).fill(1);
const key = primitives.ed25519Public(seed);
const issuer = formatServiceId(selfCertifyingId(primitives, key));

function context(known = false): RevocationContext {
  const store = createRevocations();
  return {
    trust: createTrust(),
    revocations: () => store,
    revoke: (list): Reason => applyRevocationList(primitives, store, list),
    isIssuer: () => known,
  };
}

function listOf(number: number, signer = seed): { list: string } {
  const fields = { number, issuedAtSeconds: 1, allBeforeSeconds: 9, serials: [{ hi: 1, lo: 2 }] };
  return { list: Buffer.from(encodeRevocationList(primitives, fields, signer)).toString('base64') };
}

describe('revocation lists at the router', () => {
  it('a list is taken, shown by its issuer, and replaced by a newer one only', () => {
    const view = context();
    const info = { issuer, number: 3, allBeforeSeconds: 9, serials: 1 };
    assert.deepEqual(takeRevocations(view, listOf(3), true), info);
    assert.deepEqual(listRevocations(view), [info]);
    for (const number of [2, 3])
      assert.throws(() => takeRevocations(view, listOf(number), true), { status: 409, code: 'OUT_OF_DATE' });
    takeRevocations(view, listOf(4), true);
    assert.deepEqual(listRevocations(view), [{ ...info, number: 4 }]);
  });

  it('from others than operators only lists of keys that matter here', () => {
    assert.throws(() => takeRevocations(context(), listOf(1), false), { status: 403, code: 'NOT_AUTHORIZED' });
    assert.equal(takeRevocations(context(true), listOf(1), false).number, 1);
    const pinned = context();
    pinned.trust.pins.set('a label', issuer);
    assert.equal(takeRevocations(pinned, listOf(1), false).number, 1);
    const system = context();
    system.trust.systems.set(ssIdText(key), key);
    assert.equal(takeRevocations(system, listOf(1), false).number, 1);
  });

  it('says what is wrong with what is none', () => {
    const take = (fields: Record<string, unknown>) => () => takeRevocations(context(), fields, true);
    for (const fields of [{}, { list: 1 }, { list: '' }, { list: '%' }, { ...listOf(1), other: 1 }])
      assert.throws(take(fields), { status: 400, code: 'BAD_REQUEST' });
    assert.throws(take({ list: 'A'.repeat(20_000) }), { status: 400, code: 'BAD_REQUEST' });
    assert.throws(take({ list: 'AAAA' }), { status: 400, code: 'BAD_MESSAGE' });
    const forged = Buffer.from(listOf(1).list, 'base64');
    forged[40]! ^= 1;
    assert.throws(take({ list: forged.toString('base64') }), { status: 400, code: 'BAD_SIGNATURE' });
  });
});
