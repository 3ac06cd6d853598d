// A certificate: one Ed25519 key (the issuer) says of another (the subject) which names it may serve, and for how long
// (docs/keys.md, "Certificates"). 230 bytes at fixed places, so that three fit into a SYN-ACK and there is nothing to
// negotiate; X.509 and CBOR were rejected because each needs a parser larger than this file. What is signed begins with a
// string of its own: a signature made for another purpose is never one of these. Parsing says what the bytes mean;
// only `verifyCertificate` says whether the issuer wrote them.

import { asciiBytes, type Crypto, type FlowId, makePrefix, type Prefix, Reason, sameBytes } from '../base/index.ts';
import { readBytes, readUint53, writeUint53 } from '../wire/index.ts';

export const certificateBytes = 230;
export const certificateVersion = 1;

/** DELEGATION: the subject may sign certificates itself. INSTANCE: it serves, and signs registrations. */
export const CertificateKind = { DELEGATION: 1, INSTANCE: 2 } as const;

export type CertificateKind = (typeof CertificateKind)[keyof typeof CertificateKind];

/** What its issuer decides. */
export interface CertificateFields {
  kind: CertificateKind;
  /** Ed25519, 32 bytes. */
  subjectKey: Uint8Array;
  /** X25519, 32 bytes: the key that the instance's handshakes prove; zeros in a delegation. */
  staticKey: Uint8Array;
  /** The names that the subject may serve, or may sign for. */
  prefix: Prefix;
  /** Zero in a delegation, and in no other. */
  instance: FlowId;
  /** Random: what a revocation names. */
  serial: FlowId;
  /** Unix seconds, both included, below 2^53. */
  notBeforeSeconds: number;
  notAfterSeconds: number;
}

export interface Certificate extends CertificateFields {
  /** Ed25519, 32 bytes. */
  issuerKey: Uint8Array;
  signature: Uint8Array;
}

const kindOffset = 1;
const issuerOffset = 4;
const subjectOffset = 36;
const staticOffset = 68;
const prefixOffset = 100;
const instanceOffset = 134;
const serialOffset = 142;
const notBeforeOffset = 150;
const notAfterOffset = 158;
const signatureOffset = 166;
const keyBytes = 32;

const domain = asciiBytes('caracal certificate 1\0');

export function createCertificate(): Certificate {
  return {
    kind: CertificateKind.INSTANCE,
    issuerKey: new Uint8Array(keyBytes),
    subjectKey: new Uint8Array(keyBytes),
    staticKey: new Uint8Array(keyBytes),
    prefix: makePrefix(new Uint8Array(keyBytes), 0),
    instance: { hi: 0, lo: 0 },
    serial: { hi: 0, lo: 0 },
    notBeforeSeconds: 0,
    notAfterSeconds: 0,
    signature: new Uint8Array(certificateBytes - signatureOffset),
  };
}

/**
 * Signs with the 32-byte seed of the issuer's key. Throws RangeError ERR_OUT_OF_RANGE for fields that no parser would
 * take; whether the issuer has the authority is for verifiers to say.
 */
export function encodeCertificate(
  primitives: Pick<Crypto, 'ed25519Public' | 'sign'>,
  fields: CertificateFields,
  issuerSeed: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(certificateBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = certificateVersion;
  bytes[kindOffset] = fields.kind;
  bytes.set(primitives.ed25519Public(issuerSeed), issuerOffset);
  bytes.set(fields.subjectKey, subjectOffset);
  bytes.set(fields.staticKey, staticOffset);
  view.setUint16(prefixOffset, fields.prefix.bits);
  bytes.set(fields.prefix.id, prefixOffset + 2);
  writeId(view, instanceOffset, fields.instance);
  writeId(view, serialOffset, fields.serial);
  writeUint53(view, notBeforeOffset, fields.notBeforeSeconds);
  writeUint53(view, notAfterOffset, fields.notAfterSeconds);
  const keysFit = fields.subjectKey.length === keyBytes && fields.staticKey.length === keyBytes;
  if (!keysFit || parseCertificate(bytes, 0, certificateBytes, createCertificate()) !== Reason.OK)
    throw Object.assign(new RangeError('these fields make no certificate'), { code: 'ERR_OUT_OF_RANGE' });
  bytes.set(primitives.sign(issuerSeed, signedPart(bytes, 0)), signatureOffset);
  return bytes;
}

/** Fills `out` from `length` bytes at `offset`: OK, or why not, and then `out` is not to be used. Keeps no view of `bytes`. */
export function parseCertificate(bytes: Uint8Array, offset: number, length: number, out: Certificate): Reason {
  if (length < certificateBytes) return Reason.TRUNCATED;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, certificateBytes);
  if (view.getUint8(0) !== certificateVersion) return Reason.BAD_VERSION;
  out.kind = view.getUint8(kindOffset) as CertificateKind;
  out.issuerKey = readBytes(view, issuerOffset, keyBytes);
  out.subjectKey = readBytes(view, subjectOffset, keyBytes);
  out.staticKey = readBytes(view, staticOffset, keyBytes);
  out.instance = readId(view, instanceOffset);
  out.serial = readId(view, serialOffset);
  out.notBeforeSeconds = readUint53(view, notBeforeOffset);
  out.notAfterSeconds = readUint53(view, notAfterOffset);
  out.signature = readBytes(view, signatureOffset, certificateBytes - signatureOffset);
  return parsePrefixField(view, out) && isConsistent(out) ? Reason.OK : Reason.BAD_MESSAGE;
}

/** Whether the key that the certificate at `offset` names as its issuer has signed it. */
export function verifyCertificate(
  primitives: Pick<Crypto, 'verify'>,
  bytes: Uint8Array,
  offset: number,
  { issuerKey, signature }: Certificate,
): boolean {
  return primitives.verify(issuerKey, signedPart(bytes, offset), signature);
}

function signedPart(bytes: Uint8Array, offset: number): Uint8Array {
  const message = new Uint8Array(domain.length + signatureOffset);
  message.set(domain);
  message.set(bytes.subarray(offset, offset + signatureOffset), domain.length);
  return message;
}

/** Bits set past the length are refused, so that a certificate has one form. */
function parsePrefixField(view: DataView, out: Certificate): boolean {
  const bits = view.getUint16(prefixOffset);
  if (bits > 256) return false;
  const id = readBytes(view, prefixOffset + 2, keyBytes);
  out.prefix = makePrefix(id, bits);
  return sameBytes(out.prefix.id, id);
}

/** An instance has a static key and an id; a delegation has neither. A time of -1 did not fit a number. */
function isConsistent({ kind, staticKey, instance, notBeforeSeconds, notAfterSeconds }: Certificate): boolean {
  if (notBeforeSeconds < 0 || notAfterSeconds < notBeforeSeconds) return false;
  const hasStatic = staticKey.some((byte) => byte !== 0);
  const hasInstance = (instance.hi | instance.lo) !== 0;
  if (kind === CertificateKind.DELEGATION) return !hasStatic && !hasInstance;
  return kind === CertificateKind.INSTANCE && hasStatic && hasInstance;
}

export function readId(view: DataView, offset: number): FlowId {
  return { hi: view.getUint32(offset), lo: view.getUint32(offset + 4) };
}

export function writeId(view: DataView, offset: number, id: FlowId): void {
  view.setUint32(offset, id.hi);
  view.setUint32(offset + 4, id.lo);
}
