// AES-256-GCM by node:crypto: an object per operation, and a copy of every piece. The binding in io is several times
// quicker on small records; this one is there where OpenSSL's symbols cannot be reached.

import { type CipherGCM, createCipheriv, createDecipheriv, type DecipherGCM } from 'node:crypto';
import { type Aead, aeadKeyBytes, aeadTagBytes } from '../core/base/index.ts';
import { KeySlab } from './key-slab.ts';

const algorithm = 'aes-256-gcm';

export function createNodeAead(): Aead {
  const keys = new KeySlab(aeadKeyBytes);
  const nonce = new Uint8Array(12);
  const nonceView = new DataView(nonce.buffer);
  let sealing: CipherGCM | undefined;
  let opening: DecipherGCM | undefined;
  const setNonce = (counter: number): Uint8Array => {
    nonceView.setUint32(4, Math.floor(counter / 2 ** 32));
    nonceView.setUint32(8, counter >>> 0);
    return nonce;
  };
  return {
    importKey: (key) => keys.add(key),
    releaseKey: (key) => keys.release(key),
    exportKey: (key) => keys.copy(key),
    beginSeal(key, counter, associatedData) {
      opening = undefined;
      sealing = createCipheriv(algorithm, keys.at(key), setNonce(counter)).setAAD(associatedData);
    },
    beginOpen(key, counter, associatedData) {
      sealing = undefined;
      // Without the length, a tag of 4 bytes would do.
      const options = { authTagLength: aeadTagBytes };
      opening = createDecipheriv(algorithm, keys.at(key), setNonce(counter), options).setAAD(associatedData);
    },
    update(source, sourceOffset, target, targetOffset, length) {
      const piece = (sealing ?? opening)?.update(source.subarray(sourceOffset, sourceOffset + length));
      if (piece !== undefined) target.set(piece, targetOffset);
    },
    finishSeal(tag, offset) {
      sealing?.final();
      if (sealing !== undefined) tag.set(sealing.getAuthTag(), offset);
      sealing = undefined;
    },
    finishOpen(tag, offset) {
      try {
        opening?.setAuthTag(tag.subarray(offset, offset + aeadTagBytes));
        opening?.final();
        return opening !== undefined;
      } catch {
        return false;
      } finally {
        opening = undefined;
      }
    },
  };
}
