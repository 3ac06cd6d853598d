import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePrefix, Reason } from '../base/index.ts';
import { verifyCredential } from './credential.ts';
import { anonymousIdentity, bindIdentity, createInstanceKeys, issueCredential, issueDelegation } from './identity.ts';
import { selfCertifyingId } from './names.ts';
import { keyPair, nowSeconds, primitives } from './testing/issuing.ts';

const service = keyPair(1);
const delegate = keyPair(2);
const validity = { notBeforeSeconds: nowSeconds - 10, notAfterSeconds: nowSeconds + 10 };
const prefix = makePrefix(selfCertifyingId(primitives, service.key), 224);

describe('identity', () => {
  it('an instance is bound to the credential for its keys, and to no other', () => {
    const keys = createInstanceKeys(primitives);
    const credential = issueCredential(primitives, service.seed, keys, { prefix, ...validity });
    assert.deepEqual(bindIdentity(keys, credential), { ...keys, credential });
    assert.equal(bindIdentity(createInstanceKeys(primitives), credential), undefined);
    assert.equal(bindIdentity({ ...keys, instance: { hi: 1, lo: 1 } }, credential), undefined);
    assert.equal(bindIdentity(keys, credential.subarray(1)), undefined);
    assert.equal(anonymousIdentity(keys).credential.length, 0);
  });

  it('a delegated key issues with its chain', () => {
    const keys = createInstanceKeys(primitives);
    const chain = issueDelegation(primitives, service.seed, delegate.key, { prefix, ...validity });
    assert.equal(bindIdentity(keys, chain), undefined);
    const credential = issueCredential(primitives, delegate.seed, keys, { prefix, ...validity, chain });
    const { reason, verified } = verifyCredential(primitives, credential, nowSeconds);
    assert.equal(reason, Reason.OK);
    assert.deepEqual(verified?.rootKey, service.key);
    assert.deepEqual(verified?.staticKey, keys.staticKey);
  });

  it('keys are fresh each time and match their public halves', () => {
    const [a, b] = [createInstanceKeys(primitives), createInstanceKeys(primitives)];
    assert.notDeepEqual(a.signSeed, b.signSeed);
    assert.notDeepEqual(a.staticScalar, a.signSeed);
    assert.notDeepEqual(a.instance, b.instance);
    assert.deepEqual(primitives.ed25519Public(a.signSeed), a.signKey);
    assert.deepEqual(primitives.x25519Public(a.staticScalar), a.staticKey);
  });
});
