// The world that the sequences are played in: left alone it works, so that what a sequence finds is about the stacks.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import {
  createStacks,
  deliverAll,
  dial,
  finish,
  handle,
  isUndisturbed,
  listen,
  nextDeadlineUs,
  tick,
  write,
} from './stacks.ts';
import { createToyCrypto } from './toy-crypto.ts';

for (const routed of [true, false]) {
  for (const insecure of [false, true]) {
    test(`stacks: ${routed ? 'routed' : 'ad hoc'}, ${insecure ? 'clear' : 'sealed'}: what is written arrives, then all is gone`, () => {
      const stacks = createStacks({ seed: 1, routed, insecure });
      const [client, server] = stacks.hosts;
      listen(stacks, server);
      deliverAll(stacks, 100);
      dial(stacks, client);
      for (let ticks = 0; stacks.ends.length < 2 && ticks < 20; ticks++) {
        deliverAll(stacks, 100);
        if (stacks.ends.length < 2) tick(stacks, nextDeadlineUs(stacks));
      }
      assert.equal(stacks.ends.length, 2);
      for (const end of stacks.ends) {
        write(stacks, end, 3000);
        handle(stacks, end.host, { kind: 'read', socket: end.socket, bytes: 10_000 });
        finish(stacks, end);
      }
      for (let ticks = 0; stacks.ends.some(({ open }) => open) && ticks < 50; ticks++) {
        deliverAll(stacks, 1000);
        tick(stacks, nextDeadlineUs(stacks));
      }
      for (const end of stacks.ends) {
        assert.ok(isUndisturbed(stacks, end));
        assert.deepEqual([end.sentBytes, end.receivedBytes, end.told, end.open], [3000, 3000, true, false]);
      }
      assert.equal(stacks.crypto.keysHeld(), 0);
    });
  }
}

test('toy crypto: both sides agree, and a changed bit is noticed', () => {
  const { x25519, x25519Public, aead, mac, sign, verify, ed25519Public, keysHeld } = createToyCrypto();
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.deepEqual(x25519(a, x25519Public(b)), x25519(b, x25519Public(a)));
  assert.equal(x25519(a, new Uint8Array(32)), undefined);
  const message = Uint8Array.of(1, 2, 3);
  assert.ok(verify(ed25519Public(a), message, sign(a, message)));
  assert.equal(verify(ed25519Public(a), Uint8Array.of(1, 2, 4), sign(a, message)), false);
  const key = aead.importKey(a);
  const sealed = new Uint8Array(3);
  const tag = new Uint8Array(16);
  aead.beginSeal(key, 7, message);
  aead.update(message, 0, sealed, 0, 3);
  aead.finishSeal(tag, 0);
  const opens = (counter: number, changed: Uint8Array) => {
    const plain = new Uint8Array(3);
    aead.beginOpen(key, counter, message);
    aead.update(changed, 0, plain, 0, 1);
    aead.update(changed, 1, plain, 1, 2);
    return aead.finishOpen(tag, 0) && plain.join() === message.join();
  };
  assert.ok(opens(7, sealed));
  assert.equal(opens(8, sealed), false);
  assert.equal(
    opens(
      7,
      Uint8Array.from(sealed, (byte, i) => (i === 1 ? byte ^ 1 : byte)),
    ),
    false,
  );
  const tagKey = mac.importKey(b);
  mac.tag(tagKey, message, 0, 3, tag, 0);
  const first = tag.slice();
  mac.tag(tagKey, message, 0, 2, tag, 0);
  assert.notDeepEqual(tag, first);
  assert.equal(keysHeld(), 2);
  aead.releaseKey(key);
  mac.releaseKey(tagKey);
  assert.equal(keysHeld(), 0);
});
