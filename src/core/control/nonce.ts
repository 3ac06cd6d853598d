// The router's nonces (docs/protocol-control.md, "Nonce"): whoever registers repeats one that only its own address was
// sent, so a registration can neither be made for somebody else's address nor replayed from another one, nor later.
// Stateless: a MAC over the minute and the sender's locator under a secret of this start. A table of nonces that were given
// out was rejected: strangers would fill it.

import { type Crypto, type Locator, type Random, randomBytes, sameBytes } from '../base/index.ts';
import { nonceBytes } from './fields.ts';

export interface NonceSecret {
  readonly primitives: Pick<Crypto, 'hmac'>;
  readonly key: Uint8Array;
}

/** A nonce is taken in the epoch that it was made in and in the next one. */
export const nonceEpochUs = 60_000_000;
/** After this no nonce is taken any more, and hence no copy of a message. */
export const longestNonceUs = 2 * nonceEpochUs;

export function createNonceSecret(primitives: Pick<Crypto, 'hmac'> & { readonly random: Random }): NonceSecret {
  return { primitives, key: randomBytes(primitives.random, 32) };
}

/** 16 bytes, for whoever receives at `remote`. */
export function nonceFor(secret: NonceSecret, remote: Locator, nowUs: number): Uint8Array {
  return nonceOf(secret, remote, epochAt(nowUs));
}

export function isNonceOf(secret: NonceSecret, remote: Locator, nowUs: number, nonce: Uint8Array): boolean {
  const epoch = epochAt(nowUs);
  return sameBytes(nonce, nonceOf(secret, remote, epoch)) || sameBytes(nonce, nonceOf(secret, remote, epoch - 1));
}

/** The lengths of the two families differ, so no two locators give the same bytes. */
function nonceOf({ primitives, key }: NonceSecret, { address, port }: Locator, epoch: number): Uint8Array {
  const claim = new Uint8Array(8 + 2 + address.length);
  const view = new DataView(claim.buffer);
  view.setFloat64(0, epoch);
  view.setUint16(8, port);
  claim.set(address, 10);
  return primitives.hmac(key, claim).slice(0, nonceBytes);
}

function epochAt(nowUs: number): number {
  return Math.floor(nowUs / nonceEpochUs);
}
