import assert from 'node:assert/strict';
import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makePrefix, noFlow, Reason } from '../base/index.ts';
import {
  type CertificateFields,
  CertificateKind,
  certificateBytes,
  createCertificate,
  encodeCertificate,
  parseCertificate,
  verifyCertificate,
} from './certificate.ts';
import { keyPair, primitives } from './testing/issuing.ts';

const issuer = keyPair(1);

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const id64 = fc.tuple(word, fc.integer({ min: 1, max: 2 ** 32 - 1 })).map(([hi, lo]) => ({ hi, lo }));
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const fields = fc
  .record({
    delegation: fc.boolean(),
    subjectKey: key32,
    staticKey: key32.map((key) => (key.some((byte) => byte !== 0) ? key : new Uint8Array(32).fill(1))),
    prefix: fc.tuple(key32, fc.integer({ min: 0, max: 256 })).map(([id, bits]) => makePrefix(id, bits)),
    instance: id64,
    serial: id64,
    times: fc.tuple(time, time).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
  })
  .map(
    ({ delegation, staticKey, instance, times, ...rest }): CertificateFields => ({
      ...rest,
      kind: delegation ? CertificateKind.DELEGATION : CertificateKind.INSTANCE,
      staticKey: delegation ? new Uint8Array(32) : staticKey,
      instance: delegation ? noFlow : instance,
      notBeforeSeconds: times[0],
      notAfterSeconds: times[1],
    }),
  );

const example: CertificateFields = {
  kind: CertificateKind.INSTANCE,
  subjectKey: new Uint8Array(32).fill(0x51),
  staticKey: new Uint8Array(32).fill(0x52),
  prefix: makePrefix(new Uint8Array(32).fill(0x53), 224),
  instance: { hi: 0x54545454, lo: 0x55555555 },
  serial: { hi: 0x56565656, lo: 0x57575757 },
  notBeforeSeconds: 0x0102030405,
  notAfterSeconds: 0x1122334455,
};

function change(bytes: Uint8Array, offset: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

function reasonFor(bytes: Uint8Array): Reason {
  return parseCertificate(bytes, 0, bytes.length, createCertificate());
}

describe('certificate', () => {
  it('has its fields at the places of the table, and signs them behind its own string', () => {
    const bytes = encodeCertificate(primitives, example, issuer.seed);
    const hex = Buffer.from(bytes).toString('hex');
    const expected = [
      '01020000',
      Buffer.from(issuer.key).toString('hex'),
      '51'.repeat(32),
      '52'.repeat(32),
      `00e0${'53'.repeat(28)}00000000`,
      '5454545455555555',
      '5656565657575757',
      '0000000102030405',
      '0000001122334455',
    ].join('');
    assert.equal(hex.slice(0, 332), expected);
    const x = Buffer.from(issuer.key).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const message = Buffer.concat([Buffer.from('caracal certificate 1\0'), bytes.subarray(0, 166)]);
    assert.ok(verifySignature(null, message, key, bytes.subarray(166)));
  });

  it('what was encoded is parsed again, anywhere in a buffer, and verifies', () => {
    const parsed = createCertificate();
    fc.assert(
      fc.property(fields, fc.integer({ min: 0, max: 40 }), (wanted, offset) => {
        const bytes = new Uint8Array(offset + certificateBytes);
        bytes.set(encodeCertificate(primitives, wanted, issuer.seed), offset);
        assert.equal(parseCertificate(bytes, offset, certificateBytes, parsed), Reason.OK);
        const { issuerKey, signature, ...rest } = parsed;
        assert.deepEqual(rest, wanted);
        assert.deepEqual(issuerKey, issuer.key);
        assert.equal(signature.length, 64);
        assert.ok(verifyCertificate(primitives, bytes, offset, parsed));
      }),
    );
  });

  it('no bit of it can be changed', () => {
    const bytes = encodeCertificate(primitives, example, issuer.seed);
    const parsed = createCertificate();
    for (let bit = 0; bit < certificateBytes * 8; bit++) {
      const forged = change(bytes, bit >>> 3, (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7)));
      if (parseCertificate(forged, 0, certificateBytes, parsed) !== Reason.OK) continue;
      assert.ok(!verifyCertificate(primitives, forged, 0, parsed), `bit ${bit}`);
    }
  });

  it('says why bytes are none, and never throws', () => {
    const bytes = encodeCertificate(primitives, example, issuer.seed);
    assert.equal(reasonFor(bytes.subarray(0, 229)), Reason.TRUNCATED);
    assert.equal(reasonFor(change(bytes, 0, 2)), Reason.BAD_VERSION);
    const malformed: Record<string, Uint8Array> = {
      'kind 0': change(bytes, 1, 0),
      'kind 3': change(bytes, 1, 3),
      'a delegation with a static key': change(bytes, 1, CertificateKind.DELEGATION),
      'an instance without one': change(bytes, 68, ...new Array(32).fill(0)),
      'an instance without an id': change(bytes, 134, ...new Array(8).fill(0)),
      '257 bits': change(bytes, 100, 1, 1),
      'bits past the prefix': change(bytes, 133, 1),
      'a time of 2^53': change(bytes, 150, 0, 0x20),
      'an end before the beginning': change(bytes, 158, 0, 0, 0, 0),
    };
    for (const [what, wrong] of Object.entries(malformed)) assert.equal(reasonFor(wrong), Reason.BAD_MESSAGE, what);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 240 }), (garbage) => {
        assert.equal(typeof reasonFor(garbage), 'number');
      }),
    );
  });

  it('refuses to sign what nobody would take', () => {
    const wrong: Partial<CertificateFields>[] = [
      { notAfterSeconds: 1 },
      { notAfterSeconds: 2 ** 53 },
      { instance: noFlow },
      { subjectKey: new Uint8Array(31) },
      { kind: CertificateKind.DELEGATION },
      { prefix: { id: makePrefix(new Uint8Array(32).fill(1), 256).id, bits: 8 } },
    ];
    for (const part of wrong)
      assert.throws(() => encodeCertificate(primitives, { ...example, ...part }, issuer.seed), {
        name: 'RangeError',
        code: 'ERR_OUT_OF_RANGE',
      });
  });
});
