import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Locator } from '../base/index.ts';
import { createNonceSecret, isNonceOf, longestNonceUs, nonceEpochUs, nonceFor } from './nonce.ts';
import { at, primitives } from './testing/registering.ts';

describe('nonces of a router', () => {
  const secret = createNonceSecret(primitives);

  it('hold for one epoch at least and two at most, wherever in an epoch they were made', () => {
    fc.assert(
      fc.property(fc.nat(10 * nonceEpochUs), fc.nat(3 * nonceEpochUs), (madeUs, ageUs) => {
        const held = isNonceOf(secret, at(1), madeUs + ageUs, nonceFor(secret, at(1), madeUs));
        if (ageUs <= nonceEpochUs) assert.ok(held);
        if (ageUs >= longestNonceUs) assert.ok(!held);
      }),
    );
  });

  it('are for one address and port, of one start', () => {
    const nonce = nonceFor(secret, at(1), 0);
    const long: Locator = { address: new Uint8Array(16).fill(10), port: 7000 };
    for (const other of [at(2), at(1, 7001), long]) assert.ok(!isNonceOf(secret, other, 0, nonce));
    assert.ok(!isNonceOf(createNonceSecret(primitives), at(1), 0, nonce));
    assert.ok(!isNonceOf(secret, at(1), 0, new Uint8Array(16)));
    assert.ok(isNonceOf(secret, { address: at(1).address.slice(), port: 7000 }, 0, nonce), 'equality is by value');
  });
});
