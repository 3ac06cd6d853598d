// A credential: what an instance shows to prove a name (docs/keys.md, "Credentials"). One to three certificates, root
// first: each is issued by the subject of the one before, prefixes only narrow, the last one is the instance's. The
// verdict says which root key speaks and for which names; whether that key is the one that a name demands is
// trust.ts's to judge. A SYN-ACK holds three, so the depth is fixed; signatures are checked last, being the dear part.

import {
  type Crypto,
  type FlowId,
  formatServiceId,
  type Prefix,
  prefixWithin,
  Reason,
  sameBytes,
} from '../base/index.ts';
import {
  type Certificate,
  CertificateKind,
  certificateBytes,
  createCertificate,
  parseCertificate,
  verifyCertificate,
} from './certificate.ts';
import { isRevoked, type Revocations } from './revocation.ts';

export const maxChainCertificates = 3;
export const maxCredentialBytes = maxChainCertificates * certificateBytes;
/** Clocks of two hosts may differ by this much: both ends of a validity are widened by it. */
export const clockSkewSeconds = 300;

/** What a credential proves, if its root key may speak for the names. */
export interface Verified {
  /** Ed25519, 32 bytes: of the service, or of its system. */
  rootKey: Uint8Array;
  /** Ed25519, 32 bytes: signs the instance's registrations. */
  signKey: Uint8Array;
  /** X25519, 32 bytes: the handshake must prove it. */
  staticKey: Uint8Array;
  /** The names that the instance may serve. */
  prefix: Prefix;
  instance: FlowId;
  /** Of the certificates, root first. */
  serials: readonly FlowId[];
  /** The span in which every certificate is valid, without the tolerance for clocks. */
  notBeforeSeconds: number;
  notAfterSeconds: number;
}

/** `reason` is OK exactly if `verified` is there. */
export interface CredentialVerdict {
  readonly reason: Reason;
  readonly verified?: Verified;
}

/**
 * OK; BAD_MESSAGE: not one to three certificates; NOT_AUTHORIZED: the chain does not hold together, or widens; EXPIRED: not
 * valid yet or no longer; REVOKED; BAD_SIGNATURE. Never throws.
 */
export function verifyCredential(
  primitives: Pick<Crypto, 'verify'>,
  credential: Uint8Array,
  nowSeconds: number,
  revocations?: Revocations,
): CredentialVerdict {
  return verifyChain(primitives, credential, CertificateKind.INSTANCE, nowSeconds, revocations);
}

/**
 * As `verifyCredential`, for a chain that ends in a delegation: what a delegated key adds its own certificates to. Then
 * `signKey` is that key; there is no static key and no instance (zeros).
 */
export function verifyDelegation(
  primitives: Pick<Crypto, 'verify'>,
  chain: Uint8Array,
  nowSeconds: number,
  revocations?: Revocations,
): CredentialVerdict {
  return verifyChain(primitives, chain, CertificateKind.DELEGATION, nowSeconds, revocations);
}

function verifyChain(
  primitives: Pick<Crypto, 'verify'>,
  credential: Uint8Array,
  lastKind: CertificateKind,
  nowSeconds: number,
  revocations: Revocations | undefined,
): CredentialVerdict {
  const chain = parseCredential(credential);
  if (chain === undefined) return { reason: Reason.BAD_MESSAGE };
  if (!isChain(chain, lastKind)) return { reason: Reason.NOT_AUTHORIZED };
  const verified = summarize(chain);
  if (!isCurrent(verified, nowSeconds)) return { reason: Reason.EXPIRED };
  if (revocations !== undefined && chain.some((certificate) => isTakenBack(revocations, certificate)))
    return { reason: Reason.REVOKED };
  const signed = chain.every((certificate, i) =>
    verifyCertificate(primitives, credential, i * certificateBytes, certificate),
  );
  return signed ? { reason: Reason.OK, verified } : { reason: Reason.BAD_SIGNATURE };
}

/** The certificates, unverified, root first; undefined if the bytes are not one to three. */
export function parseCredential(credential: Uint8Array): Certificate[] | undefined {
  const count = credential.length / certificateBytes;
  if (!Number.isInteger(count) || count < 1 || count > maxChainCertificates) return undefined;
  const chain: Certificate[] = [];
  for (let offset = 0; offset < credential.length; offset += certificateBytes) {
    const certificate = createCertificate();
    if (parseCertificate(credential, offset, certificateBytes, certificate) !== Reason.OK) return undefined;
    chain.push(certificate);
  }
  return chain;
}

/** Positive verdicts, by the SHA-256 of the credential: what is repeated costs one hash. The longest unused makes room. */
export interface CredentialCache {
  readonly capacity: number;
  /** In order of use. */
  readonly entries: Map<string, Verified>;
  /** Of the revocations that the verdicts were made with. */
  generation: number;
}

export function createCredentialCache(capacity = 1_024): CredentialCache {
  return { capacity, entries: new Map(), generation: 0 };
}

/** As `verifyCredential`. One cache goes with one store of revocations: a list taken since empties it. */
export function verifyCached(
  primitives: Pick<Crypto, 'verify' | 'sha256'>,
  cache: CredentialCache,
  credential: Uint8Array,
  nowSeconds: number,
  revocations?: Revocations,
): CredentialVerdict {
  const generation = revocations?.generation ?? 0;
  if (cache.generation !== generation) cache.entries.clear();
  cache.generation = generation;
  const key = formatServiceId(primitives.sha256(credential));
  const known = cache.entries.get(key);
  if (known !== undefined) {
    cache.entries.delete(key);
    if (!isCurrent(known, nowSeconds)) return { reason: Reason.EXPIRED };
    cache.entries.set(key, known);
    return { reason: Reason.OK, verified: known };
  }
  const verdict = verifyCredential(primitives, credential, nowSeconds, revocations);
  if (verdict.verified !== undefined) remember(cache, key, verdict.verified);
  return verdict;
}

function remember(cache: CredentialCache, key: string, verified: Verified): void {
  if (cache.entries.size >= cache.capacity) {
    const [oldest] = cache.entries.keys();
    if (oldest !== undefined) cache.entries.delete(oldest);
  }
  cache.entries.set(key, verified);
}

function isChain(chain: readonly Certificate[], lastKind: CertificateKind): boolean {
  return chain.every(({ kind, issuerKey, prefix }, i) => {
    const last = i === chain.length - 1;
    if (kind !== (last ? lastKind : CertificateKind.DELEGATION)) return false;
    const parent = chain[i - 1];
    return parent === undefined || (sameBytes(issuerKey, parent.subjectKey) && prefixWithin(parent.prefix, prefix));
  });
}

function summarize(chain: readonly Certificate[]): Verified {
  const first = chain[0]!;
  const last = chain[chain.length - 1]!;
  return {
    rootKey: first.issuerKey,
    signKey: last.subjectKey,
    staticKey: last.staticKey,
    prefix: last.prefix,
    instance: last.instance,
    serials: chain.map(({ serial }) => serial),
    notBeforeSeconds: Math.max(...chain.map(({ notBeforeSeconds }) => notBeforeSeconds)),
    notAfterSeconds: Math.min(...chain.map(({ notAfterSeconds }) => notAfterSeconds)),
  };
}

function isCurrent({ notBeforeSeconds, notAfterSeconds }: Verified, nowSeconds: number): boolean {
  return notBeforeSeconds - clockSkewSeconds <= nowSeconds && nowSeconds <= notAfterSeconds + clockSkewSeconds;
}

function isTakenBack(revocations: Revocations, { issuerKey, serial, notBeforeSeconds }: Certificate): boolean {
  return isRevoked(revocations, issuerKey, serial, notBeforeSeconds);
}

/** Whether one of its certificates was revoked by its issuer. Verifies nothing; false for what is no credential. */
export function isCredentialRevoked(revocations: Revocations, credential: Uint8Array): boolean {
  return parseCredential(credential)?.some((certificate) => isTakenBack(revocations, certificate)) ?? false;
}

/** Whether one of its certificates names this key as its issuer. Verifies nothing. */
export function isIssuedBy(credential: Uint8Array, issuerKey: Uint8Array): boolean {
  return parseCredential(credential)?.some((certificate) => sameBytes(certificate.issuerKey, issuerKey)) ?? false;
}
