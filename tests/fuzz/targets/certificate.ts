// Fuzz target: the bytes as a certificate. What parses is written again, by another issuer, to the same bytes but for what
// names and proves the issuer; a signature holds for exactly the bytes that were signed; no bytes make verifying throw.

import { strict as assert } from 'node:assert';
import { Reason } from '../../../src/core/base/index.ts';
import {
  CertificateKind,
  certificateBytes,
  createCertificate,
  encodeCertificate,
  parseCertificate,
  verifyCertificate,
} from '../../../src/core/security/index.ts';
import { primitives, root } from '../identities.ts';

export const maxBytes = 300;

export function fuzz(data: Uint8Array): void {
  if (parseCertificate(data, 0, data.length, certificate) !== Reason.OK) return;
  const { kind, prefix, notBeforeSeconds, notAfterSeconds } = certificate;
  assert.ok(kind === CertificateKind.DELEGATION || kind === CertificateKind.INSTANCE);
  assert.ok(prefix.bits >= 0 && prefix.bits <= 256);
  assert.ok(notBeforeSeconds >= 0 && notBeforeSeconds <= notAfterSeconds && Number.isSafeInteger(notAfterSeconds));
  verifyCertificate(primitives, data, 0, certificate);
  const bytes = encodeCertificate(primitives, certificate, issuer.seed);
  assert.equal(bytes.length, certificateBytes);
  checkFields(data, bytes);
  assert.equal(parseCertificate(bytes, 0, bytes.length, again), Reason.OK);
  assert.ok(verifyCertificate(primitives, bytes, 0, again), 'what was signed verifies');
  bytes[data.length > certificateBytes ? data[certificateBytes]! % signatureOffset : 0]! ^= 1;
  assert.equal(verifyCertificate(primitives, bytes, 0, again), false, 'nothing else does');
}

const certificate = createCertificate();
const again = createCertificate();
const issuer = root(9);
const issuerOffset = 4;
const subjectOffset = 36;
const signatureOffset = 166;

/** Bytes 2 and 3 are reserved. */
function checkFields(data: Uint8Array, bytes: Uint8Array): void {
  for (let i = 0; i < signatureOffset; i++) {
    if (i === 2 || i === 3 || (i >= issuerOffset && i < subjectOffset)) continue;
    if (bytes[i] !== data[i]) assert.fail(`byte ${i} is another`);
  }
}
