// Several flows of one connection (M9) and which interfaces they may use (M10), in namespaces: the client's two links have a
// rate each, and are cut without a word or go down.

import { strict as assert } from 'node:assert';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FlowInfo, Path } from '../../src/index.ts';
import { contentHash, makeContent } from './content.ts';
import { needsPatience, needsPrograms, needsRoot, Stage, sleep, until } from './harness.ts';
import type { Look, Peer } from './peer.ts';
import {
  addRoute,
  buildRoaming,
  cut,
  type Interface,
  limit,
  payloadBytes,
  progress,
  type Roaming,
  setLink,
  startDownload,
  uncut,
  type Way,
  widen,
} from './roaming.ts';
import { Topology } from './topology.ts';

const mib = 1 << 20;
const skip = needsRoot || needsPrograms('tc', 'nft');
const timeout = 120_000;

async function twoPaths(t: TestContext, mbits: number, way: Way = {}): Promise<{ stage: Stage; roaming: Roaming }> {
  const topology = new Topology(t);
  const stage = new Stage(t);
  const roaming = await buildRoaming(topology, stage, way);
  const { middle, eth, wifi } = roaming;
  for (const { far } of [eth, wifi]) limit(middle, far, mbits);
  return { stage, roaming };
}

function whole(look: Look, bytes: number, seed: number): void {
  assert.deepEqual([look.error, look.bytes, look.sha256], [undefined, bytes, contentHash(bytes, seed)]);
}

/** Mbit/s of the application's bytes. */
async function rateOf(client: Peer, connection: number, ms: number): Promise<number> {
  await client.watch(connection);
  await sleep(ms);
  const { bytes, ms: took } = await client.watched(connection);
  return (bytes * 8) / took / 1000;
}

function bothUp(client: Peer, connection: number): Promise<readonly Path[]> {
  return until('two paths', async () => {
    const { ended } = await client.look(connection);
    assert.ok(!ended, 'the download was over before');
    const paths = await client.paths(connection);
    return paths.filter(({ state }) => state === 'up').length === 2 && paths;
  });
}

test('[M9] two paths of 100 Mbit/s carry almost twice as much as one', { skip, timeout }, async (t) => {
  const { stage, roaming } = await twoPaths(t, 100);
  const bytes = 96 * mib;
  const { client, connection: single } = await startDownload(stage, roaming, bytes / mib, 91);
  await progress(client, single, 4 * mib);
  const one = await rateOf(client, single, 1_000);
  await client.call('destroy', { connection: single });
  const connection = await client.connect('roaming', { paths: 'aggregate' });
  await bothUp(client, connection);
  // On a busy machine some window will show what the paths carry; by one path none could.
  let best = 0;
  while (best <= 1.8 * one && !(await client.look(connection)).ended)
    best = Math.max(best, await rateOf(client, connection, 600));
  widen(roaming);
  whole(await client.received(connection), bytes, 91);
  t.diagnostic(`Mbit/s: ${best.toFixed(0)} by both, ${one.toFixed(0)} by one`);
  assert.ok(best > 1.8 * one, `${best} by both, ${one} by one`);
});

test('[M9] a path is cut in the middle of a download: no stall above two round trips of the other, nothing lost', {
  skip,
  timeout,
}, async (t) => {
  const { stage, roaming } = await twoPaths(t, 40, { rttMs: 60 });
  const { eth, wifi, middle } = roaming;
  const { client, server, connection } = await startDownload(stage, roaming, 80, 92, {}, { paths: 'aggregate' });
  await bothUp(client, connection);
  await progress(client, connection, 8 * mib);
  // What the other path loses in the very same moment, or a busy machine, costs more now and then: not each time.
  const good = new Set<Interface>();
  for (const victim of [wifi, eth, wifi, eth, wifi, eth]) {
    if (good.has(victim)) continue;
    const paths = await bothUp(client, connection);
    await progress(client, connection, 3 * mib);
    const other = paths.find((path) => path.interface !== victim.name)?.path;
    const rttMs = (await flowOf(server, (path) => path === other)).rttUs / 1000;
    await client.watch(connection);
    cut(middle, victim);
    await progress(client, connection, 3 * mib);
    const { longestMs } = await client.watched(connection);
    const which = victim === eth ? 'first' : 'second';
    t.diagnostic(`the ${which} path is cut: ${longestMs.toFixed(0)} ms, RTT of the other ${rttMs.toFixed(0)} ms`);
    if (longestMs <= 2 * rttMs) good.add(victim);
    await until('the engine knows', async () => (await flowOf(server, (path) => path !== other)).cwndBytes < 10_000);
    uncut(middle);
  }
  widen(roaming);
  whole(await client.received(connection), 80 * mib, 92);
  assert.equal(good.size, 2, 'each path was cut without a longer stall');
});

async function flowOf(peer: Peer, is: (path: number) => boolean): Promise<FlowInfo> {
  const flow = (await peer.inspect()).flows.find(({ path }) => is(path));
  assert.ok(flow);
  return flow;
}

test('[M9] an interface goes, and another flow joins when it is back', {
  skip: skip || needsPatience,
  timeout,
}, async (t) => {
  const { stage, roaming } = await twoPaths(t, 20, { rttMs: 20 });
  const { wifi, eth } = roaming;
  const { client, server, connection } = await startDownload(stage, roaming, 24, 93, {}, { paths: 'aggregate' });
  await bothUp(client, connection);
  await client.watch(connection);
  setLink(wifi, 'down');
  await progress(client, connection, 2 * mib);
  const { longestMs, moves } = await client.watched(connection);
  const names = (await client.paths(connection)).map((path) => path.interface);
  assert.deepEqual([names, moves], [[eth.name], 0]);
  setLink(wifi, 'up');
  addRoute(wifi);
  await bothUp(client, connection);
  assert.deepEqual(await client.pathEvents(connection), [`gone ${wifi.name}`, `up ${wifi.name}`]);
  const { stdout } = await stage.caracalOnce(['flows']);
  for (const path of [`0 ${eth.name}`, `1 ${wifi.name}`]) assert.match(stdout, new RegExp(` ${path} `));
  // The first flow goes where the other one is, and the interface that it has left is joined again by another.
  setLink(eth, 'down');
  await progress(client, connection, 2 * mib);
  assert.ok((await client.watched(connection)).moves > 0);
  setLink(eth, 'up');
  addRoute(eth);
  await bothUp(client, connection);
  assert.equal((await server.inspect()).flows.length, 2);
  whole(await client.received(connection), 24 * mib, 93);
  t.diagnostic(`pause when it went: ${longestMs.toFixed(0)} ms`);
});

test('[M10] the backup interface is used only while the preferred one fails', { skip, timeout }, async (t) => {
  const { stage, roaming } = await twoPaths(t, 40, { rttMs: 10 });
  const { wifi, eth } = roaming;
  const paths = { prefer: wifi.name };
  const { client, connection } = await startDownload(stage, roaming, 32, 101, {}, { paths });
  await bothUp(client, connection);
  const carried = async (by: Interface): Promise<number> => {
    const before = payloadBytes(by);
    await progress(client, connection, 4 * mib);
    return payloadBytes(by) - before;
  };
  await progress(client, connection, mib);
  assert.ok((await carried(eth)) < mib / 16, 'eth is the backup, although the connection began there');
  setLink(wifi, 'down');
  assert.ok((await carried(eth)) > 3 * mib, 'eth carries on');
  setLink(wifi, 'up');
  addRoute(wifi);
  await bothUp(client, connection);
  await progress(client, connection, mib);
  assert.ok((await carried(eth)) < mib / 16, 'wifi is back');
  widen(roaming);
  whole(await client.received(connection), 32 * mib, 101);
});

test('[M10] no more bytes than allowed pass the interface that joins', { skip, timeout }, async (t) => {
  const { stage, roaming } = await twoPaths(t, 80, { rttMs: 10 });
  const { client: namespace, server, wifi } = roaming;
  const bytes = 16 * mib;
  const folder = join(stage.folder, 'files');
  mkdirSync(folder);
  writeFileSync(join(folder, 'big'), Buffer.concat([...makeContent(bytes, 102)]));
  await stage.caracal(['serve', 'files', folder], { namespace: server }).line(/^ready/m);
  const before = payloadBytes(wifi);
  const paths = ['--paths', 'aggregate', '--limit', `${wifi.name}=4MB`];
  const got = await stage.caracalJson<{ sha256: string }>(['get', 'svc://files/big', ...paths], { namespace });
  assert.equal(got.sha256, contentHash(bytes, 102));
  within(t, payloadBytes(wifi) - before, 4e6);
});

test('[M10] no more bytes than allowed pass the interface that the connection began at', {
  skip: skip || needsPatience,
  timeout,
}, async (t) => {
  const { stage, roaming } = await twoPaths(t, 80, { rttMs: 10 });
  const { eth } = roaming;
  const before = payloadBytes(eth);
  const paths = { limits: { [eth.name]: 4e6 } };
  const { client, connection } = await startDownload(stage, roaming, 16, 103, {}, { paths });
  whole(await client.received(connection), 16 * mib, 103);
  within(t, payloadBytes(eth) - before, 4e6);
});

function within(t: TestContext, bytes: number, most: number): void {
  t.diagnostic(`${(bytes / 1e6).toFixed(2)} MB of ${most / 1e6} passed`);
  assert.ok(bytes <= most && bytes > most / 2, `${bytes}`);
}
