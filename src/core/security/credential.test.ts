import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePrefix, Reason, serviceBits } from '../base/index.ts';
import { certificateBytes } from './certificate.ts';
import {
  clockSkewSeconds,
  createCredentialCache,
  maxCredentialBytes,
  verifyCached,
  verifyCredential,
  verifyDelegation,
} from './credential.ts';
import { labelServiceId, memberServiceId, selfCertifyingId } from './names.ts';
import { applyRevocationList, createRevocations, encodeRevocationList } from './revocation.ts';
import {
  certify,
  chainOf,
  everything,
  instance,
  keyPair,
  nowSeconds,
  primitives,
  type Step,
} from './testing/issuing.ts';

const root = keyPair(1);
const middle = keyPair(2);
const leaf = keyPair(3);
const service = makePrefix(selfCertifyingId(primitives, root.key), serviceBits);
const member = makePrefix(memberServiceId(service.id, 7), 256);
const other = makePrefix(labelServiceId(primitives, 'other'), serviceBits);

const single: Step = { issuer: root, prefix: service };
const three: Step[] = [
  { issuer: root, subject: middle, prefix: service },
  { issuer: middle, subject: leaf, prefix: service },
  { issuer: leaf, prefix: member },
];

function reasonOf(credential: Uint8Array, at = nowSeconds): Reason {
  return verifyCredential(primitives, credential, at).reason;
}

describe('credential', () => {
  it('one certificate: what it proves is the issuer key, the instance keys and the prefix', () => {
    const serial = { hi: 5, lo: 6 };
    const { reason, verified } = verifyCredential(primitives, chainOf({ ...single, serial }), nowSeconds);
    assert.equal(reason, Reason.OK);
    assert.deepEqual(verified, {
      rootKey: root.key,
      signKey: instance.signKey,
      staticKey: instance.staticKey,
      prefix: service,
      instance: instance.instance,
      serials: [serial],
      notBeforeSeconds: nowSeconds - 3_600,
      notAfterSeconds: nowSeconds + 3_600,
    });
  });

  it('three certificates: the root is the first issuer, the prefix the last one, the end the earliest', () => {
    const credential = chainOf({ ...three[0]!, notAfterSeconds: nowSeconds + 60 }, three[1]!, three[2]!);
    assert.equal(credential.length, maxCredentialBytes);
    const { verified } = verifyCredential(primitives, credential, nowSeconds);
    assert.deepEqual(verified?.rootKey, root.key);
    assert.deepEqual(verified?.prefix, member);
    assert.equal(verified?.notAfterSeconds, nowSeconds + 60);
    assert.equal(verified?.serials.length, 3);
  });

  it('bad-message: none, four, part of one, garbage', () => {
    const one = certify(single);
    assert.equal(reasonOf(new Uint8Array(0)), Reason.BAD_MESSAGE);
    assert.equal(reasonOf(one.subarray(1)), Reason.BAD_MESSAGE);
    assert.equal(reasonOf(Uint8Array.of(...one, 0)), Reason.BAD_MESSAGE);
    assert.equal(reasonOf(chainOf(three[0]!, three[1]!, three[1]!, three[2]!)), Reason.BAD_MESSAGE);
    assert.equal(reasonOf(new Uint8Array(certificateBytes)), Reason.BAD_MESSAGE);
  });

  it('not-authorized: a chain that does not hold together', () => {
    const broken: Record<string, Uint8Array> = {
      'no instance at the end': chainOf(three[0]!),
      'an instance that signs': chainOf(single, { issuer: middle, prefix: service }),
      'a link missing': chainOf(three[0]!, three[2]!),
      'another order': chainOf(three[1]!, three[0]!, three[2]!),
      'a prefix that is another': chainOf(three[0]!, { issuer: middle, prefix: other }),
      'a prefix that is wider': chainOf(three[0]!, { issuer: middle, prefix: makePrefix(service.id, serviceBits - 1) }),
      'all names': chainOf(three[0]!, three[1]!, { issuer: leaf, prefix: everything }),
    };
    for (const [what, credential] of Object.entries(broken))
      assert.equal(reasonOf(credential), Reason.NOT_AUTHORIZED, what);
  });

  it('bad-signature: any certificate of the chain changed, or signed by another', () => {
    const credential = chainOf(...three);
    for (const i of [0, 1, 2]) {
      const forged = credential.slice();
      forged[i * certificateBytes + 149]! ^= 1;
      assert.equal(reasonOf(forged), Reason.BAD_SIGNATURE, `certificate ${i}`);
    }
    const impostor = chainOf({ issuer: { seed: middle.seed, key: root.key }, prefix: service });
    impostor.set(root.key, 4);
    assert.equal(reasonOf(impostor), Reason.BAD_SIGNATURE);
  });

  it('expired: outside of any validity of the chain, widened by 300 s on both ends', () => {
    const from = nowSeconds - 100;
    const to = nowSeconds + 100;
    const chains = [
      chainOf({ ...single, notBeforeSeconds: from, notAfterSeconds: to }),
      chainOf({ ...three[0]!, notBeforeSeconds: from, notAfterSeconds: to }, { issuer: middle, prefix: service }),
    ];
    assert.equal(clockSkewSeconds, 300);
    for (const chain of chains) {
      assert.equal(reasonOf(chain, from - 300), Reason.OK);
      assert.equal(reasonOf(chain, from - 301), Reason.EXPIRED);
      assert.equal(reasonOf(chain, to + 300), Reason.OK);
      assert.equal(reasonOf(chain, to + 301), Reason.EXPIRED);
    }
  });

  it('revoked: any certificate of the chain, by the key that issued it and by no other', () => {
    const serial = { hi: 1, lo: 2 };
    const credential = chainOf(three[0]!, { ...three[1]!, serial }, three[2]!);
    const revocations = createRevocations();
    const list = { number: 1, issuedAtSeconds: nowSeconds, allBeforeSeconds: 0, serials: [serial] };
    const apply = (seed: Uint8Array): Reason =>
      applyRevocationList(primitives, revocations, encodeRevocationList(primitives, list, seed));
    assert.equal(apply(leaf.seed), Reason.OK);
    assert.equal(apply(root.seed), Reason.OK);
    assert.equal(verifyCredential(primitives, credential, nowSeconds, revocations).reason, Reason.OK);
    assert.equal(apply(middle.seed), Reason.OK);
    assert.equal(verifyCredential(primitives, credential, nowSeconds, revocations).reason, Reason.REVOKED);
  });
});

describe('delegation', () => {
  it('a chain without an instance is one, and no credential; with one it is the reverse', () => {
    const chain = chainOf(three[0]!, three[1]!);
    const { reason, verified } = verifyDelegation(primitives, chain, nowSeconds);
    assert.equal(reason, Reason.OK);
    assert.deepEqual(verified?.signKey, leaf.key);
    assert.deepEqual(verified?.rootKey, root.key);
    assert.equal(reasonOf(chain), Reason.NOT_AUTHORIZED);
    assert.equal(verifyDelegation(primitives, chainOf(...three), nowSeconds).reason, Reason.NOT_AUTHORIZED);
    chain[149]! ^= 1;
    assert.equal(verifyDelegation(primitives, chain, nowSeconds).reason, Reason.BAD_SIGNATURE);
  });
});

describe('credential cache', () => {
  const counting = () => {
    const counter = { verified: 0 };
    const verify: typeof primitives.verify = (key, message, signature) => {
      counter.verified++;
      return primitives.verify(key, message, signature);
    };
    return { counter, primitives: { ...primitives, verify } };
  };

  it('a repeated credential costs one hash until it lapses', () => {
    const { counter, primitives: counted } = counting();
    const cache = createCredentialCache();
    const credential = chainOf(...three);
    for (let i = 0; i < 5; i++)
      assert.equal(verifyCached(counted, cache, credential, nowSeconds + i).reason, Reason.OK);
    assert.equal(counter.verified, 3);
    assert.equal(verifyCached(counted, cache, credential, nowSeconds + 3_901).reason, Reason.EXPIRED);
    assert.equal(cache.entries.size, 0);
    assert.equal(verifyCached(counted, cache, credential, nowSeconds + 3_901).verified, undefined);
  });

  it('remembers nothing that was refused', () => {
    const cache = createCredentialCache();
    const forged = chainOf(single);
    forged[149]! ^= 1;
    assert.equal(verifyCached(primitives, cache, forged, nowSeconds).reason, Reason.BAD_SIGNATURE);
    assert.equal(cache.entries.size, 0);
  });

  it('is bounded: what was not used for longest goes', () => {
    const { counter, primitives: counted } = counting();
    const cache = createCredentialCache(2);
    const [a, b, c] = [1, 2, 3].map((lo) => chainOf({ ...single, serial: { hi: 0, lo } })) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    for (const credential of [a, b, a, c, a]) verifyCached(counted, cache, credential, nowSeconds);
    assert.equal(counter.verified, 3);
    assert.equal(cache.entries.size, 2);
    verifyCached(counted, cache, b, nowSeconds);
    assert.equal(counter.verified, 4);
  });

  it('a new revocation list empties it', () => {
    const cache = createCredentialCache();
    const revocations = createRevocations();
    const serial = { hi: 9, lo: 9 };
    const credential = chainOf({ ...single, serial });
    assert.equal(verifyCached(primitives, cache, credential, nowSeconds, revocations).reason, Reason.OK);
    const list = { number: 1, issuedAtSeconds: nowSeconds, allBeforeSeconds: 0, serials: [serial] };
    applyRevocationList(primitives, revocations, encodeRevocationList(primitives, list, root.seed));
    assert.equal(verifyCached(primitives, cache, credential, nowSeconds, revocations).reason, Reason.REVOKED);
  });
});
