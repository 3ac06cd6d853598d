// Much at once, and much for long: 10,000 connections in one process, and a gibibyte with flat memory.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { contentHash } from './content.ts';
import { Stage, sleep } from './harness.ts';
import { Peer } from './peer.ts';

const mib = 1 << 20;
/** Live memory of the accepting process: 2.2 KB in the stack and its Socket, 2.6 this program's own; 9.3 if none rested. */
const mostIdleBytes = 6_000;

test('load: 10,000 connections in one process, all of them alive', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  await server.listen('many', 'echo');
  const count = 10_000;
  const before = (await server.memory()).live;
  const opened = await client.connectMany('many', count, 64, true, 150_000);
  assert.deepEqual(opened, { replies: {}, failures: {}, open: count });
  // They rest after a second.
  await sleep(2_500);
  const bytes = ((await server.memory()).live - before) / count;
  t.diagnostic(`${Math.round(bytes)} bytes for each that is idle`);
  assert.ok(bytes < mostIdleBytes, `${Math.round(bytes)} bytes for each that is idle`);
  for (const connection of [0, 1, count >> 1, count - 1])
    assert.equal(await client.exchange(connection, `alive ${connection}`), `alive ${connection}`);
});

/**
 * Resident memory; from Node 22 on what is live, since its allocator and collector let a hundred MiB of dead buffers
 * stand, under node:net as well.
 */
async function memory(peer: Peer): Promise<number> {
  const { resident, live } = await peer.memory();
  return Number(process.versions.node.split('.')[0]) < 22 ? resident : live;
}

test('load: 1 GiB over one connection, memory at most 64 MiB above the start', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const bytes = 1024 * mib;
  await server.listen('gibibyte', 'hash');
  const connection = await client.connect('gibibyte');
  const start = await Promise.all([server, client].map(memory));
  const most = [0, 0];
  let done = false;
  const watching = (async () => {
    while (!done) {
      const now = await Promise.all([server, client].map(memory));
      for (const [i, bytes] of now.entries()) most[i] = Math.max(most[i] ?? 0, bytes);
      await sleep(100);
    }
  })();
  await client.send(connection, bytes, 51, true, 200_000);
  const look = await client.received(connection, 60_000);
  done = true;
  await watching;
  assert.equal(look.error, undefined);
  const [accepted] = await server.accepted(0);
  assert.equal(accepted?.bytes, bytes);
  assert.equal(accepted?.sha256, contentHash(bytes, 51));
  for (const [i, name] of ['receiver', 'sender'].entries()) {
    const grown = ((most[i] ?? 0) - (start[i] ?? 0)) / mib;
    assert.ok(grown <= 64, `the ${name} grew by ${grown.toFixed(1)} MiB`);
  }
});
