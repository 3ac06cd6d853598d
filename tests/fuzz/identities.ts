// Who speaks in the targets that are about authority: a few root keys and instances with credentials of theirs, all on toy
// cryptography and the same in every run. A measured target builds its own, since it has its own copy of core.

import { makePrefix, type Prefix, type ServiceId, seededRandom } from '../../src/core/base/index.ts';
import {
  bindIdentity,
  createInstanceKeys,
  type Identity,
  issueCredential,
  issueDelegation,
  selfCertifyingId,
} from '../../src/core/security/index.ts';
import { createToyCrypto } from './toy-crypto.ts';

export const startSeconds = 1_800_000_000;
export const random = seededRandom(7);
export const primitives = { ...createToyCrypto(), random };

export interface Root {
  readonly seed: Uint8Array;
  readonly key: Uint8Array;
  /** The self-certifying serviceID of the key. */
  readonly id: ServiceId;
}

export function root(number: number): Root {
  const seed = new Uint8Array(32).fill(number);
  const key = primitives.ed25519Public(seed);
  return { seed, key, id: selfCertifyingId(primitives, key) };
}

const validity = { notBeforeSeconds: startSeconds - 60, notAfterSeconds: startSeconds + 3600 };

/** An instance for `prefix`: by the root itself, or by a key that the root delegated to. */
export function identityOf(by: Root, prefix: Prefix, delegated = false): Identity {
  const keys = createInstanceKeys(primitives);
  if (!delegated) return bound(keys, issueCredential(primitives, by.seed, keys, { prefix, ...validity }));
  const between = root(200);
  const chain = issueDelegation(primitives, by.seed, between.key, { prefix, ...validity });
  return bound(keys, issueCredential(primitives, between.seed, keys, { prefix, ...validity, chain }));
}

function bound(keys: Parameters<typeof bindIdentity>[0], credential: Uint8Array): Identity {
  const identity = bindIdentity(keys, credential);
  if (identity === undefined) throw new Error('the credential is for other keys');
  return identity;
}

/** A label, as far as ssID 0 makes it one. */
export function labelOf(first: number): ServiceId {
  const id = new Uint8Array(32);
  id.fill(first, 8, 28);
  return id as ServiceId;
}

export function servicePrefix(id: Uint8Array): Prefix {
  return makePrefix(id, 224);
}
