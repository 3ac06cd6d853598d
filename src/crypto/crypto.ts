// core's Crypto on node:crypto alone: what works on every platform, and the reference for the faster binding in io. Keys
// are imported as JWK, which costs 4-8 us where SPKI costs 68-103; nothing is ever exported as JWK, because that can
// deadlock Node 20 for generated keys (garbage collection against a mutex). Never throws on bad input of a peer.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign as signMessage,
  verify as verifyMessage,
} from 'node:crypto';
import type { Crypto } from '../core/base/index.ts';
import { createNodeAead } from './aead.ts';
import { createNodeMac } from './mac.ts';

type Curve = 'X25519' | 'Ed25519';

const basePoint = Uint8Array.of(9, ...new Uint8Array(31));

export function createCrypto(): Crypto {
  return {
    sha256: (data) => bytesOf(createHash('sha256').update(data).digest()),
    hmac: (key, data) => bytesOf(createHmac('sha256', key).update(data).digest()),
    x25519Public: (scalar) => exchange(scalar, basePoint) ?? new Uint8Array(32),
    x25519: exchange,
    ed25519Public(seed) {
      const spki = createPublicKey(privateKey('Ed25519', seed)).export({ format: 'der', type: 'spki' });
      return new Uint8Array(spki.subarray(spki.length - 32));
    },
    sign: (seed, message) => bytesOf(signMessage(null, message, privateKey('Ed25519', seed))),
    verify,
    aead: createNodeAead(),
    mac: createNodeMac(),
  };
}

function exchange(scalar: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  try {
    return bytesOf(diffieHellman({ privateKey: privateKey('X25519', scalar), publicKey: publicKey('X25519', point) }));
  } catch {
    // OpenSSL refuses a shared secret of zeros.
    return undefined;
  }
}

function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verifyMessage(null, message, publicKey('Ed25519', key), signature);
  } catch {
    return false;
  }
}

/** Node wants `x` to be there and does not look at it: the public key follows from the private one. */
function privateKey(crv: Curve, bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: 'OKP', crv, x: '', d: base64url(bytes) }, format: 'jwk' });
}

function publicKey(crv: Curve, bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv, x: base64url(bytes) }, format: 'jwk' });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
