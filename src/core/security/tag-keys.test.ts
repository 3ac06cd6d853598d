import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { createCrypto } from '../../crypto/index.ts';
import { advanceTagKey, nextTagKey } from './tag-keys.ts';

const { mac } = createCrypto();
const raw = new Uint8Array(32).fill(3);

describe('tag keys', () => {
  it('the next key is the tags of the label with 0 and with 1 behind it', () => {
    const key = mac.importKey(raw);
    const half = (number: number): Buffer =>
      createHmac('sha256', raw).update('caracal tag next ').update(Uint8Array.of(number)).digest().subarray(0, 16);
    assert.deepEqual(Buffer.from(nextTagKey(mac, key)), Buffer.concat([half(0), half(1)]));
    assert.deepEqual(mac.exportKey(key), raw, 'the key stays');
    mac.releaseKey(key);
  });

  it('advancing is the same in the slab', () => {
    const key = mac.importKey(raw);
    const next = nextTagKey(mac, key);
    const advanced = advanceTagKey(mac, key);
    assert.deepEqual(mac.exportKey(advanced), next);
    mac.releaseKey(advanced);
  });
});
