// The vectors of docs/keys.md: names of keys, certificates, credentials with their verdict, revocation lists. Ed25519 is
// deterministic, so that encoding must give the same bytes. They were written from the field tables, by other code.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import {
  type FlowId,
  formatFlowId,
  formatServiceId,
  Reason,
  reasonName,
  type ServiceId,
} from '../../src/core/base/index.ts';
import * as security from '../../src/core/security/index.ts';
import { createCrypto } from '../../src/crypto/index.ts';
import { fromHex, loadVectors, toHex } from './load.ts';

interface PrefixValue {
  readonly id: string;
  readonly bits: number;
}

interface Malformed {
  readonly name: string;
  readonly hex: string;
  readonly reason: keyof typeof Reason;
}

interface CertificateVector {
  readonly name: string;
  readonly issuerSeed: string;
  readonly value: {
    readonly kind: security.CertificateKind;
    readonly subjectKey: string;
    readonly staticKey: string;
    readonly prefix: PrefixValue;
    readonly instance: string;
    readonly serial: string;
    readonly notBeforeSeconds: number;
    readonly notAfterSeconds: number;
  };
  readonly hex: string;
}

interface RevocationVector {
  readonly name: string;
  readonly issuerSeed: string;
  readonly value: {
    readonly number: number;
    readonly issuedAtSeconds: number;
    readonly allBeforeSeconds: number;
    readonly serials: readonly string[];
  };
  readonly hex: string;
}

interface CredentialVector extends Malformed {
  readonly nowSeconds: number;
  /** If the reason is OK. */
  readonly rootKey?: string;
  readonly prefix?: PrefixValue;
}

interface Vectors {
  readonly keys: readonly (Record<'name' | 'seed' | 'publicKey' | 'text', string> &
    Record<'selfCertifyingId' | 'systemId' | 'systemShop', string>)[];
  readonly certificates: readonly CertificateVector[];
  readonly invalid: readonly Malformed[];
  readonly credentials: readonly CredentialVector[];
  readonly revocations: readonly RevocationVector[];
  readonly invalidRevocations: readonly Malformed[];
}

const vectors = loadVectors<Vectors>('certificates.json');
const primitives = createCrypto();

test('vectors: the names of keys', () => {
  for (const { name, seed, publicKey, text, selfCertifyingId, systemId, systemShop } of vectors.keys) {
    const key = primitives.ed25519Public(fromHex(seed));
    assert.equal(toHex(key), publicKey, name);
    assert.equal(formatServiceId(key), text, name);
    assert.equal(toHex(security.selfCertifyingId(primitives, key)), selfCertifyingId, name);
    assert.equal(toHex(security.systemId(primitives, key) ?? new Uint8Array(0)), systemId, name);
    assert.equal(toHex(security.systemServiceId(primitives, key, 'shop')), systemShop, name);
  }
});

test('vectors: certificates, both ways', () => {
  const parsed = security.createCertificate();
  for (const { name, issuerSeed, value, hex } of vectors.certificates) {
    const fields = { ...value, ...bytesOf(value), instance: idOf(value.instance), serial: idOf(value.serial) };
    assert.equal(toHex(security.encodeCertificate(primitives, fields, fromHex(issuerSeed))), hex, name);
    assert.equal(security.parseCertificate(fromHex(hex), 0, hex.length / 2, parsed), Reason.OK, name);
    const { issuerKey, signature, ...rest } = parsed;
    assert.deepEqual(rest, fields, name);
    assert.deepEqual(issuerKey, primitives.ed25519Public(fromHex(issuerSeed)), name);
    assert.equal(toHex(signature), hex.slice(-128), name);
    assert.ok(security.verifyCertificate(primitives, fromHex(hex), 0, parsed), name);
  }
  for (const { name, hex, reason } of vectors.invalid)
    assert.equal(security.parseCertificate(fromHex(hex), 0, hex.length / 2, parsed), Reason[reason], name);
});

test('vectors: credentials and their verdicts', () => {
  for (const { name, hex, nowSeconds, reason, rootKey, prefix } of vectors.credentials) {
    const verdict = security.verifyCredential(primitives, fromHex(hex), nowSeconds);
    assert.equal(reasonName(verdict.reason), reasonName(Reason[reason]), name);
    assert.equal(verdict.verified && toHex(verdict.verified.rootKey), rootKey, name);
    assert.equal(verdict.verified && toHex(verdict.verified.prefix.id), prefix?.id, name);
    assert.equal(verdict.verified?.prefix.bits, prefix?.bits, name);
  }
});

test('vectors: revocation lists, both ways', () => {
  for (const { name, issuerSeed, value, hex } of vectors.revocations) {
    const fields = { ...value, serials: value.serials.map(idOf) };
    assert.equal(toHex(security.encodeRevocationList(primitives, fields, fromHex(issuerSeed))), hex, name);
    const { list } = security.readRevocationList(primitives, fromHex(hex));
    assert.deepEqual(list && { ...list, serials: list.serials.map(formatFlowId) }, {
      ...value,
      issuerKey: primitives.ed25519Public(fromHex(issuerSeed)),
    });
  }
  for (const { name, hex, reason } of vectors.invalidRevocations)
    assert.equal(security.readRevocationList(primitives, fromHex(hex)).reason, Reason[reason], name);
});

function bytesOf({ subjectKey, staticKey, prefix }: CertificateVector['value']) {
  return {
    subjectKey: fromHex(subjectKey),
    staticKey: fromHex(staticKey),
    prefix: { id: fromHex(prefix.id) as Uint8Array as ServiceId, bits: prefix.bits },
  };
}

function idOf(hex: string): FlowId {
  return { hi: Number.parseInt(hex.slice(0, 8), 16), lo: Number.parseInt(hex.slice(8), 16) };
}
