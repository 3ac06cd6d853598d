// Who our ends of a benchmark are: a key that a name is the hash of, and a certificate by it, as services are run in
// earnest. One more such key is the operator's: it may change the router from the other namespace, where the client is.

import { formatServiceId, randomBytes } from '../src/core/base/index.ts';
import {
  bindIdentity,
  createInstanceKeys,
  type Identity,
  issueCredential,
  selfCertifyingId,
} from '../src/core/security/index.ts';
import { primitives, unixSeconds } from '../src/keys/index.ts';

/** In the environment of a benchmark's processes: the seed of the operator's key, in hexadecimal digits. */
export const operatorVariable = 'BENCH_OPERATOR';

/** In the environment, too: the router's process. */
export const routerPidVariable = 'BENCH_ROUTER_PID';

/** Where several processes are to be instances of one service: the seed of its key, likewise. */
export const seedVariable = 'BENCH_SERVICE';

export interface Identification {
  /** The serviceID in text. */
  readonly service: string;
  readonly identity: Identity | undefined;
}

export function makeSeed(): Uint8Array {
  return randomBytes(primitives.random, 32);
}

export function identify(seed = sharedSeed() ?? makeSeed()): Identification {
  const id = selfCertifyingId(primitives, primitives.ed25519Public(seed));
  const keys = createInstanceKeys(primitives);
  const now = unixSeconds();
  const grant = { prefix: { id, bits: 256 }, notBeforeSeconds: now - 60, notAfterSeconds: now + 3600 };
  return { service: formatServiceId(id), identity: bindIdentity(keys, issueCredential(primitives, seed, keys, grant)) };
}

function sharedSeed(): Uint8Array | undefined {
  const text = process.env[seedVariable];
  return text === undefined ? undefined : Buffer.from(text, 'hex');
}
