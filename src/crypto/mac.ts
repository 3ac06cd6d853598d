// HMAC-SHA-256 cut to 16 bytes, by node:crypto.

import { createHmac } from 'node:crypto';
import type { Mac } from '../core/base/index.ts';
import { KeySlab } from './key-slab.ts';

const keyBytes = 32;
const tagBytes = 16;

export function createNodeMac(): Mac {
  const keys = new KeySlab(keyBytes);
  return {
    importKey: (key) => keys.add(key),
    releaseKey: (key) => keys.release(key),
    exportKey: (key) => keys.copy(key),
    tag(key, bytes, offset, length, tag, tagOffset) {
      const digest = createHmac('sha256', keys.at(key))
        .update(bytes.subarray(offset, offset + length))
        .digest();
      tag.set(digest.subarray(0, tagBytes), tagOffset);
    },
  };
}
