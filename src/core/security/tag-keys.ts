// The next key of a direction's tags (docs/protocol.md, "MAC"), one epoch on: what the present one makes of a label, so that
// an old key cannot be had from a new one. By the tag itself, twice for 32 bytes, because the slab that holds keys need
// not give them out. No packet begins with a letter, so no packet's tag is part of a key.

import { asciiBytes, type KeyIndex, type Mac } from '../base/index.ts';
import { macTagBytes } from '../wire/index.ts';

const label = asciiBytes('caracal tag next ');

/** 32 bytes; `key` stays as it is. */
export function nextTagKey(mac: Mac, key: KeyIndex): Uint8Array {
  const next = new Uint8Array(2 * macTagBytes);
  for (const half of [0, 1]) {
    const text = Uint8Array.of(...label, half);
    mac.tag(key, text, 0, text.length, next, half * macTagBytes);
  }
  return next;
}

/** The same, in the slab; `key` is released. */
export function advanceTagKey(mac: Mac, key: KeyIndex): KeyIndex {
  const next = nextTagKey(mac, key);
  mac.releaseKey(key);
  const index = mac.importKey(next);
  next.fill(0);
  return index;
}
