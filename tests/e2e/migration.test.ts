// Moves (M1-M6, M11) and registrations that follow them (C6), in namespaces: addresses are really taken away and given,
// interfaces really go down, and the content has to arrive whole (roaming.ts has the picture).

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import type { StackInfo } from '../../src/core/stack/index.ts';
import { contentHash } from './content.ts';
import { needsPatience, needsPrograms, needsRoot, Stage, sleep, until } from './harness.ts';
import type { Look } from './peer.ts';
import {
  addRoute,
  addressOf,
  buildRoaming,
  limit,
  mend,
  moveAtOnce,
  packetsOut,
  progress,
  type Roaming,
  replaceAddress,
  setLink,
  startDownload,
  type Way,
  widen,
} from './roaming.ts';
import { Topology } from './topology.ts';

const mib = 1 << 20;
const skip = needsRoot || needsPrograms('tc', 'nft');
const timeout = 120_000;
/** Fast enough not to be waited for, slow enough to move in the middle of. */
const longWay = { rttMs: 20, mbits: 50 };

async function roam(t: TestContext, way: Way): Promise<{ stage: Stage; roaming: Roaming }> {
  const topology = new Topology(t);
  const stage = new Stage(t);
  return { stage, roaming: await buildRoaming(topology, stage, way) };
}

function whole(look: Look, bytes: number, seed: number): void {
  assert.deepEqual([look.error, look.bytes, look.sha256], [undefined, bytes, contentHash(bytes, seed)]);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const rounded = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(', ');

for (const [how, way, env] of [
  ['', {}, {}],
  [' over IPv6, which probes each for duplicates first', { version: 6 }, {}],
  [' without the kernel’s fast paths', {}, { CARACAL_LINK: 'dgram' }],
] as const)
  test(`[M1] the client gets other addresses in the middle of a download${how}`, {
    skip: skip || (how !== '' && needsPatience),
    timeout,
  }, async (t) => {
    const { stage, roaming } = await roam(t, { ...longWay, ...way });
    setLink(roaming.wifi, 'down');
    const { client, connection } = await startDownload(stage, roaming, 24, 31, env);
    const pauses: number[] = [];
    for (let move = 0; move < (how === '' ? 9 : 3); move++) {
      await progress(client, connection, mib);
      await client.watch(connection);
      await replaceAddress(roaming.eth, 1 + move, 2 + move);
      await progress(client, connection, mib / 2);
      pauses.push((await client.watched(connection)).longestMs);
    }
    widen(roaming);
    whole(await client.received(connection), 24 * mib, 31);
    t.diagnostic(`pauses, RTT 20 ms: ${rounded(pauses)} ms`);
  });

test('[M2] the server gets another address in the middle of a download', { skip, timeout }, async (t) => {
  const { stage, roaming } = await roam(t, longWay);
  const { client, connection } = await startDownload(stage, roaming, 16, 32);
  const pauses: number[] = [];
  for (let move = 0; move < 5; move++) {
    await progress(client, connection, mib);
    await client.watch(connection);
    await replaceAddress(roaming.serverInterface, 1 + (move % 2), 2 - (move % 2));
    await progress(client, connection, mib / 2);
    pauses.push((await client.watched(connection)).longestMs);
  }
  widen(roaming);
  whole(await client.received(connection), 16 * mib, 32);
  t.diagnostic(`pauses, RTT 20 ms: ${rounded(pauses)} ms`);
});

test('[M3] of two flows on a busy interface one is moved to another: both speed up', { skip, timeout }, async (t) => {
  const { stage, roaming } = await roam(t, {});
  const { eth, wifi, middle } = roaming;
  for (const { far } of [eth, wifi]) limit(middle, far, 20);
  const { client, connection: stays } = await startDownload(stage, roaming, 24, 33);
  const moves = await client.connect('roaming');
  const rates = async (): Promise<number[]> => {
    for (const connection of [stays, moves]) await client.watch(connection);
    await sleep(2_000);
    const seen = await Promise.all([stays, moves].map((connection) => client.watched(connection)));
    return seen.map(({ bytes, ms }) => (bytes * 8) / ms / 1000);
  };
  await progress(client, moves, mib);
  const before = await rates();
  const outBefore = packetsOut(wifi);
  await client.migrate(moves, { interface: wifi.name });
  await progress(client, moves, mib);
  assert.ok(packetsOut(wifi) > outBefore + 20, 'what it sends leaves by that interface');
  const after = await rates();
  t.diagnostic(`Mbit/s before: ${rounded(before)}; after: ${rounded(after)}`);
  for (const i of [0, 1]) assert.ok((after[i] ?? 0) > (before[i] ?? Infinity), `${before} -> ${after}`);
  assert.ok(sum(after) > 1.5 * sum(before), `${before} -> ${after}`);
  widen(roaming);
  whole(await client.received(stays), 24 * mib, 33);
  whole(await client.received(moves), 24 * mib, 33);
});

test('[M4] an interface goes down and comes back: flows go by the other one meanwhile', {
  skip,
  timeout,
}, async (t) => {
  const { stage, roaming } = await roam(t, longWay);
  const { eth, wifi } = roaming;
  const { client, connection, server, listener } = await startDownload(stage, roaming, 16, 34);
  const seen = async (address: string): Promise<boolean> =>
    (await server.inspect()).flows.some(({ remote }) => remote.startsWith(`${address}:`));
  assert.ok(await seen(addressOf(eth)));
  await client.watch(connection);
  setLink(eth, 'down');
  await progress(client, connection, 2 * mib);
  assert.ok(await seen(addressOf(wifi)));
  const down = await client.watched(connection);
  setLink(eth, 'up');
  addRoute(eth);
  await progress(client, connection, 2 * mib);
  await until('the flow is back', () => seen(addressOf(eth)));
  widen(roaming);
  whole(await client.received(connection), 16 * mib, 34);
  assert.equal((await server.accepted(listener)).length, 1);
  t.diagnostic(`pause when it went down: ${rounded([down.longestMs])} ms`);
});

test('[M5] a hundred moves in ten seconds under 1% loss', { skip, timeout }, async (t) => {
  const { stage, roaming } = await roam(t, { rttMs: 20, lossPercent: 1, mbits: 20 });
  const { client, connection } = await startDownload(stage, roaming, 32, 35);
  const from = Date.now();
  const often = { connection, addresses: [roaming.wifi, roaming.eth].map((own) => addressOf(own)), times: 100 };
  const { outcomes } = await client.call<{ outcomes: Record<string, number> }>('migrateOften', {
    ...often,
    everyMs: 95,
  });
  const ms = Date.now() - from;
  const { bytes } = await client.look(connection);
  assert.deepEqual(outcomes, { moved: 100 });
  mend(roaming.middle);
  widen(roaming);
  whole(await client.received(connection), 32 * mib, 35);
  t.diagnostic(`100 moves in ${ms} ms, meanwhile ${(bytes / mib).toFixed(1)} MiB`);
});

test('[M5] a hundred times another address in ten seconds under 1% loss', {
  skip: skip || needsPatience,
  timeout,
}, async (t) => {
  const { stage, roaming } = await roam(t, { rttMs: 20, lossPercent: 1, mbits: 20 });
  const { client, connection } = await startDownload(stage, roaming, 32, 36);
  const from = Date.now();
  for (let move = 0; move < 100; move++) {
    await replaceAddress(roaming.eth, 1 + move, 2 + move);
    await sleep(Math.max(0, from + 100 * (move + 1) - Date.now()));
  }
  const ms = Date.now() - from;
  const { bytes } = await client.look(connection);
  mend(roaming.middle);
  widen(roaming);
  whole(await client.received(connection), 32 * mib, 36);
  t.diagnostic(`100 addresses in ${ms} ms, meanwhile ${(bytes / mib).toFixed(1)} MiB`);
});

test('[M6] both ends get other addresses at about the same time, again and again', { skip, timeout }, async (t) => {
  const { stage, roaming } = await roam(t, longWay);
  const { client, connection } = await startDownload(stage, roaming, 16, 37);
  const pauses: number[] = [];
  for (let move = 0; move < 5; move++) {
    await progress(client, connection, mib);
    await client.watch(connection);
    const ends = [roaming.eth, roaming.serverInterface];
    await Promise.all(ends.map((own) => replaceAddress(own, 1 + move, 2 + move)));
    await progress(client, connection, mib);
    pauses.push((await client.watched(connection)).longestMs);
  }
  widen(roaming);
  whole(await client.received(connection), 16 * mib, 37);
  t.diagnostic(`pauses, RTT 20 ms: ${rounded(pauses)} ms`);
});

test('[M7] both ends are cut off at one moment and come back at one moment, elsewhere: the router brings them together', {
  skip,
  timeout,
}, async (t) => {
  const { stage, roaming } = await roam(t, longWay);
  setLink(roaming.wifi, 'down');
  const { client, connection } = await startDownload(stage, roaming, 16, 40);
  const forwarded = async (): Promise<number> => (await stage.status<StackInfo>(roaming.router)).counters.forwarded;
  const pauses: number[] = [];
  for (let move = 0; move < 5; move++) {
    await progress(client, connection, mib);
    const before = await forwarded();
    await client.watch(connection);
    await moveAtOnce(roaming.middle, [roaming.eth, roaming.serverInterface], 1 + move, 2 + move);
    await progress(client, connection, mib);
    pauses.push((await client.watched(connection)).longestMs);
    assert.ok((await forwarded()) > before, 'nobody else knows where they are');
  }
  widen(roaming);
  whole(await client.received(connection), 16 * mib, 40);
  t.diagnostic(`pauses, from the last byte before to the first after, RTT 20 ms: ${rounded(pauses)} ms`);
});

test('[M11] the only interface is down for a while: the flow stands still and goes on at once', {
  skip,
  timeout,
}, async (t) => {
  const { stage, roaming } = await roam(t, { rttMs: 20, mbits: 20 });
  const { eth, wifi } = roaming;
  setLink(wifi, 'down');
  const { client, connection } = await startDownload(stage, roaming, 12, 38);
  const rate = async (): Promise<number> => {
    await client.watch(connection);
    await sleep(1_000);
    const { bytes, ms } = await client.watched(connection);
    return (bytes * 8) / ms / 1000;
  };
  await progress(client, connection, 2 * mib);
  const before = await rate();
  await client.watch(connection);
  const fromMs = performance.now();
  setLink(eth, 'down');
  await sleep(4_000);
  setLink(eth, 'up');
  addRoute(eth);
  const downMs = performance.now() - fromMs;
  await progress(client, connection, 1);
  const { longestMs } = await client.watched(connection);
  const after = await rate();
  widen(roaming);
  whole(await client.received(connection), 12 * mib, 38);
  t.diagnostic(
    `down for ${rounded([downMs])} ms, silent for ${rounded([longestMs])} ms; Mbit/s ${rounded([before, after])}`,
  );
  assert.ok(longestMs > downMs - 500 && longestMs < downMs + 500, `down for ${downMs} ms, silent for ${longestMs} ms`);
  assert.ok(after > before / 2, `${before} Mbit/s before, ${after} after`);
});

test('[C6] registrations follow the address of a server, and new connections find it', { skip, timeout }, async (t) => {
  const { stage, roaming } = await roam(t, longWay);
  const { serverInterface, client: host } = roaming;
  const { client, connection } = await startDownload(stage, roaming, 8, 39);
  const registered = async (): Promise<string> => {
    const { registrations } = await stage.status<StackInfo>(roaming.router);
    return registrations.map(({ locator }) => locator.split(':')[0]).join();
  };
  assert.equal(await registered(), addressOf(serverInterface));
  const fromMs = performance.now();
  await replaceAddress(serverInterface, 1, 7);
  await until('the table follows', async () => (await registered()) === addressOf(serverInterface, 7), 1_000);
  t.diagnostic(`in the router's table after ${rounded([performance.now() - fromMs])} ms`);
  const { services } = await stage.caracalJson<{ services: Service[] }>(['ls'], { namespace: host });
  const listed = services.flatMap(({ instances }) => instances.map(({ locator }) => locator.split(':')[0]));
  assert.deepEqual(listed, [addressOf(serverInterface, 7)]);
  const second = await client.connect('roaming');
  widen(roaming);
  whole(await client.received(second), 8 * mib, 39);
  whole(await client.received(connection), 8 * mib, 39);
});

interface Service {
  readonly instances: readonly { readonly locator: string }[];
}
