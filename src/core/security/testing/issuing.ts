// Keys and chains for the tests of this folder: a few fixed keys, and an issuer that makes any chain, right or wrong.

import { createCrypto } from '../../../crypto/index.ts';
import { type FlowId, makePrefix, noFlow, type Prefix, randomId, seededRandom } from '../../base/index.ts';
import { CertificateKind, encodeCertificate } from '../certificate.ts';
import { createInstanceKeys, type InstanceKeys } from '../identity.ts';

export const random = seededRandom(20);
export const primitives = { ...createCrypto(), random };

export interface KeyPair {
  readonly seed: Uint8Array;
  readonly key: Uint8Array;
}

export function keyPair(number: number): KeyPair {
  const seed = new Uint8Array(32).fill(number);
  return { seed, key: primitives.ed25519Public(seed) };
}

export const instance: InstanceKeys = createInstanceKeys(primitives);

/** A moment in the validity of what `certify` makes. */
export const nowSeconds = 1_800_000_000;

export interface Step {
  readonly issuer: KeyPair;
  /** Undefined: the instance, at the end of a chain. */
  readonly subject?: KeyPair;
  readonly prefix: Prefix;
  readonly serial?: FlowId;
  readonly notBeforeSeconds?: number;
  readonly notAfterSeconds?: number;
}

export function certify({ issuer, subject, prefix, serial, notBeforeSeconds, notAfterSeconds }: Step): Uint8Array {
  return encodeCertificate(
    primitives,
    {
      kind: subject ? CertificateKind.DELEGATION : CertificateKind.INSTANCE,
      subjectKey: subject?.key ?? instance.signKey,
      staticKey: subject ? new Uint8Array(32) : instance.staticKey,
      prefix,
      instance: subject ? noFlow : instance.instance,
      serial: serial ?? randomId(random),
      notBeforeSeconds: notBeforeSeconds ?? nowSeconds - 3_600,
      notAfterSeconds: notAfterSeconds ?? nowSeconds + 3_600,
    },
    issuer.seed,
  );
}

export function chainOf(...steps: readonly Step[]): Uint8Array {
  return Uint8Array.from(steps.flatMap((step) => [...certify(step)]));
}

export const everything = makePrefix(new Uint8Array(32), 0);
