// HKDF as Noise has it (Noise rev. 34 section 4.3; RFC 5869 with the chaining key as salt and no info), and keys of our own
// beside those that Split gives: labelled outputs of the chaining key, which only both ends know. The handshake hash
// is public and must never be a source of keys.

import { asciiBytes, type Crypto } from '../../base/index.ts';

type Hmac = Pick<Crypto, 'hmac'>;

/** Of 32 bytes, that of a shared secret, a label would be mixed in as one. */
const mostLabelBytes = 31;
const printable = /^[\x20-\x7e]+$/;

/** Two outputs of 32 bytes each. */
export function hkdf2(primitives: Hmac, chainingKey: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const secret = primitives.hmac(chainingKey, input);
  const first = primitives.hmac(secret, Uint8Array.of(1));
  const both = new Uint8Array(33);
  both.set(first);
  both[32] = 2;
  const second = primitives.hmac(secret, both);
  secret.fill(0);
  both.fill(0);
  return [first, second];
}

/**
 * 32 bytes for one purpose, which `label` names in 1 to 31 printable ASCII characters: the input of Split is empty and
 * that of a shared secret has 32 bytes, so that no label gives one of their keys. Throws RangeError ERR_OUT_OF_RANGE.
 */
export function deriveKey(primitives: Hmac, chainingKey: Uint8Array, label: string): Uint8Array {
  if (label.length > mostLabelBytes || !printable.test(label))
    throw Object.assign(new RangeError(`a label has 1 to ${mostLabelBytes} printable characters, not "${label}"`), {
      code: 'ERR_OUT_OF_RANGE',
    });
  const secret = primitives.hmac(chainingKey, asciiBytes(label));
  const key = primitives.hmac(secret, Uint8Array.of(1));
  secret.fill(0);
  return key;
}
