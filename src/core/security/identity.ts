// What a process holds to prove who it is: an Ed25519 key that signs registrations, an X25519 key that handshakes prove, and
// the credential that ties both to names (docs/keys.md, "Credentials"). The service's own key is not here: it stays
// offline, and signs certificates. Seeds and scalars are drawn by the caller's randomness and never leave the record.

import {
  type Crypto,
  type FlowId,
  noFlow,
  type Prefix,
  type Random,
  randomBytes,
  randomId,
  sameBytes,
  sameFlow,
} from '../base/index.ts';
import { CertificateKind, encodeCertificate } from './certificate.ts';
import { parseCredential } from './credential.ts';

/** The keys of one instance; `instance` is the id that it registers with. */
export interface InstanceKeys {
  /** Ed25519, 32 bytes, secret. */
  readonly signSeed: Uint8Array;
  readonly signKey: Uint8Array;
  /** X25519, 32 bytes, secret. */
  readonly staticScalar: Uint8Array;
  readonly staticKey: Uint8Array;
  readonly instance: FlowId;
}

/** The keys with what they prove. */
export interface Identity extends InstanceKeys {
  /** One to three certificates; empty for a process that proves its keys and no name. */
  readonly credential: Uint8Array;
}

type KeyMaker = Pick<Crypto, 'ed25519Public' | 'x25519Public'>;

export function instanceKeys(
  primitives: KeyMaker,
  signSeed: Uint8Array,
  staticScalar: Uint8Array,
  instance: FlowId,
): InstanceKeys {
  return {
    signSeed,
    signKey: primitives.ed25519Public(signSeed),
    staticScalar,
    staticKey: primitives.x25519Public(staticScalar),
    instance,
  };
}

/** Fresh keys and a fresh instance id. `random` must be the system's: what it gives are secrets. */
export function createInstanceKeys(primitives: KeyMaker & { readonly random: Random }): InstanceKeys {
  const { random } = primitives;
  return instanceKeys(primitives, randomBytes(random, 32), randomBytes(random, 32), randomId(random));
}

/** Keys without a name: those of a client, or of a server whose name is a label that nobody vouches for. */
export function anonymousIdentity(keys: InstanceKeys): Identity {
  return { ...keys, credential: new Uint8Array(0) };
}

/** Joins keys and their credential; undefined if the credential is malformed or for other keys. Verifies nothing. */
export function bindIdentity(keys: InstanceKeys, credential: Uint8Array): Identity | undefined {
  const last = parseCredential(credential)?.at(-1);
  if (last === undefined || last.kind !== CertificateKind.INSTANCE) return undefined;
  const ours =
    sameBytes(last.subjectKey, keys.signKey) &&
    sameBytes(last.staticKey, keys.staticKey) &&
    sameFlow(last.instance, keys.instance);
  return ours ? { ...keys, credential } : undefined;
}

export interface Grant {
  /** The names that may be served. */
  readonly prefix: Prefix;
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
  /** The issuer's own delegations, root first; empty when the issuer is the root. */
  readonly chain?: Uint8Array;
}

/** A credential for an instance's public keys, signed by the issuer. Throws RangeError for fields that make none. */
export function issueCredential(
  primitives: Pick<Crypto, 'ed25519Public' | 'sign'> & { readonly random: Random },
  issuerSeed: Uint8Array,
  keys: Pick<InstanceKeys, 'signKey' | 'staticKey' | 'instance'>,
  { prefix, notBeforeSeconds, notAfterSeconds, chain = new Uint8Array(0) }: Grant,
): Uint8Array {
  const certificate = encodeCertificate(
    primitives,
    {
      kind: CertificateKind.INSTANCE,
      subjectKey: keys.signKey,
      staticKey: keys.staticKey,
      prefix,
      instance: keys.instance,
      serial: randomId(primitives.random),
      notBeforeSeconds,
      notAfterSeconds,
    },
    issuerSeed,
  );
  return joinBytes(chain, certificate);
}

/** A chain that lets `subjectKey` sign certificates within `prefix`. Throws RangeError for fields that make none. */
export function issueDelegation(
  primitives: Pick<Crypto, 'ed25519Public' | 'sign'> & { readonly random: Random },
  issuerSeed: Uint8Array,
  subjectKey: Uint8Array,
  { prefix, notBeforeSeconds, notAfterSeconds, chain = new Uint8Array(0) }: Grant,
): Uint8Array {
  const certificate = encodeCertificate(
    primitives,
    {
      kind: CertificateKind.DELEGATION,
      subjectKey,
      staticKey: new Uint8Array(32),
      prefix,
      instance: noFlow,
      serial: randomId(primitives.random),
      notBeforeSeconds,
      notAfterSeconds,
    },
    issuerSeed,
  );
  return joinBytes(chain, certificate);
}

function joinBytes(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
