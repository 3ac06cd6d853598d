// A bad network: what arrives is what was sent, or the application is told. The shim loses, delays, reorders and
// duplicates by seed; a corrupted packet carries its old checksum, for the kernel to find.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { contentHash } from './content.ts';
import { Stage } from './harness.ts';
import { Peer } from './peer.ts';
import { Shim, type ShimOptions } from './shim.ts';

const mib = 1 << 20;

/** Sends both ways over one connection through the shim; answers what the shim did. */
async function transferBothWays(t: TestContext, link: 'dgram' | 'offload', impairments: ShimOptions, bytes: number) {
  const stage = new Stage(t);
  await stage.router();
  const env = { CARACAL_LINK: link };
  const server = await Peer.start(stage, { env });
  const { server: up } = await server.listen('up', 'hash');
  await server.listen('down', 'source', { bytes, seed: 12 });
  const shim = await Shim.start(stage, impairments);
  const client = await Peer.start(stage, { env: { ...env, CARACAL_ROUTER: shim.address } });
  const [sent, received] = await Promise.all([
    client.connect('up').then(async (connection) => {
      await client.send(connection, bytes, 11);
      return client.received(connection);
    }),
    client.connect('down').then((connection) => client.received(connection)),
  ]);
  assert.equal(sent.error, undefined);
  const [accepted] = await server.accepted(up);
  assert.equal(accepted?.sha256, contentHash(bytes, 11));
  assert.equal(received.error, undefined);
  assert.equal(received.bytes, bytes);
  assert.equal(received.sha256, contentHash(bytes, 12));
  return shim.stats();
}

// The dgram link sends 1,200 bytes at a time; the offload link finds that loopback takes 64 KB.
for (const [link, bytes] of [
  ['dgram', mib],
  ['offload', 24 * mib],
] as const) {
  test(`[P5] 5% loss, 5% reordering, 2% duplication on a 20 ms link: content intact (${link})`, {
    timeout: 180_000,
  }, async (t) => {
    const impairments = { loss: 0.05, reorder: 0.05, duplicate: 0.02, delayMs: 10, seed: 5 };
    const stats = await transferBothWays(t, link, impairments, bytes);
    assert.ok(stats.lost > 0 && stats.reordered > 0 && stats.duplicated > 0, JSON.stringify(stats));
  });

  test(`[P5] corrupted packets are dropped and sent again: content intact (${link})`, {
    timeout: 120_000,
  }, async (t) => {
    const stats = await transferBothWays(t, link, { corrupt: 0.02, delayMs: 2, seed: 6 }, bytes);
    assert.ok(stats.corrupted > 0, JSON.stringify(stats));
  });
}

test('[P5] connections open, carry and close under 15% loss', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { server: listener } = await server.listen('patient', 'hash');
  const shim = await Shim.start(stage, { loss: 0.15, delayMs: 5, seed: 7 });
  const client = await Peer.start(stage, { env: { CARACAL_ROUTER: shim.address } });
  const answers = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const connection = await client.connect('patient', { allowHalfOpen: true });
      await client.send(connection, 3000, i);
      return client.received(connection);
    }),
  );
  for (const { error, bytes } of answers) assert.deepEqual([error, bytes > 0], [undefined, true]);
  const hashes = (await server.accepted(listener)).map(({ sha256 }) => sha256);
  const sent = Array.from({ length: 30 }, (_, i) => contentHash(3000, i));
  assert.deepEqual(hashes.sort(), sent.sort());
});
