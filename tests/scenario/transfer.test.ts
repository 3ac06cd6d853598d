// Long transfers over links that lose, reorder, duplicate, corrupt, shrink and move: the content arrives intact, and in a
// time that shows the engine recovered instead of waiting.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStack } from '../../src/core/stack/index.ts';
import { addHost, createSimulation, joinHosts, makeLocator, moveHost, rebind } from '../../src/sim/index.ts';
import { forgeSegment, tapAll } from './attackers.ts';
import type { Endpoint } from './endpoint.ts';
import type { Script } from './plan.ts';
import {
  addRouter,
  allClosed,
  assertIntact,
  assertNoFlows,
  createWorld,
  crypto,
  dialFrom,
  listenOn,
  runFor,
  scriptsFor,
  type World,
} from './world.ts';

const mebibyte = 1_048_576;

interface Run {
  readonly world: World;
  readonly client: Endpoint;
  readonly server: () => Endpoint | undefined;
}

function open(world: World, [clientScript, serverScript]: readonly [Script, Script]): Run {
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  return { world, client, server: () => listening.accepted[0] };
}

/** Seconds until both ends were closed; both must be intact. */
function complete({ world, client, server }: Run, withinUs: number): number {
  const startUs = world.simulation.clock.nowUs;
  const closed = () => allClosed(client, server());
  assert.ok(
    runFor(world, withinUs, closed),
    `not over after ${withinUs / 1e6} s: ${JSON.stringify([client, server()].map((e) => e && [e.sentBytes, e.receivedBytes, e.localEnd, e.remoteEnd]))}`,
  );
  assertIntact(client);
  assertIntact(server());
  return (world.simulation.clock.nowUs - startUs) / 1e6;
}

test('transfer: a clean path is filled', () => {
  const world = createWorld({ delayUs: 10_000, bitsPerSecond: 100e6, queueBytes: 400_000 });
  const run = open(world, scriptsFor(16 * mebibyte, 0));
  const seconds = complete(run, 60_000_000);
  const ideal = (16 * mebibyte * 8) / 100e6;
  assert.ok(seconds < 1.5 * ideal, `${seconds} s, ideally ${ideal}`);
  assertNoFlows(world);
});

test('transfer: where a link takes packets as long as a batch, a small part of the bytes is tagged', () => {
  let taggedBytes = 0;
  const { mac } = crypto;
  const counting: typeof mac = {
    importKey: (key) => mac.importKey(key),
    releaseKey: (key) => mac.releaseKey(key),
    exportKey: (key) => mac.exportKey(key),
    tag(key, bytes, offset, length, tag, tagOffset) {
      taggedBytes += length;
      mac.tag(key, bytes, offset, length, tag, tagOffset);
    },
  };
  const simulation = createSimulation({ seed: 1, keepTrace: false, crypto: { ...crypto, mac: counting } });
  const router = addRouter(simulation);
  const [client, server] = (['client', 'server'] as const).map((name, i) =>
    addHost(simulation, {
      name,
      address: `10.0.0.${i + 1}`,
      linkBytes: 65_487,
      coalesceUs: 0,
      options: { router: makeLocator('10.0.0.254', 54_324), adHoc: false },
      createStack,
    }),
  );
  assert.ok(client !== undefined && server !== undefined);
  const [up, down] = joinHosts(simulation, client, server, { delayUs: 20, mtuBytes: 65_487 });
  complete(open({ simulation, client, server, router, up, down }, scriptsFor(16 * mebibyte, 0)), 60_000_000);
  assert.ok(taggedBytes < (16 * mebibyte) / 4, `${taggedBytes} bytes tagged`);
});

test('transfer: 5% loss, 5% reordering and 2% duplication on 20 ms, both ways at once', () => {
  for (const coalesceUs of [undefined, 0]) {
    for (const seed of [1, 2]) {
      const link = { delayUs: 20_000, loss: 0.05, reorder: 0.05, duplicate: 0.02, corrupt: 0.01 };
      const world = createWorld(link, seed, coalesceUs);
      complete(open(world, scriptsFor(2 * mebibyte, 2 * mebibyte)), 120_000_000);
      const { fates, duplicated, reordered } = world.up.counters;
      assert.ok(fates.lost > 20 && fates.corrupted > 0 && duplicated > 10 && reordered > 20);
      assertNoFlows(world);
    }
  }
});

test('transfer: reordering and duplication alone lose no time', () => {
  const link = { delayUs: 20_000, bitsPerSecond: 50e6, queueBytes: 500_000 };
  const plain = complete(open(createWorld(link), scriptsFor(4 * mebibyte, 0)), 60_000_000);
  const messy = createWorld({ ...link, reorder: 0.05, reorderUs: 4_000, duplicate: 0.02 });
  const seconds = complete(open(messy, scriptsFor(4 * mebibyte, 0)), 60_000_000);
  assert.ok(seconds < 2 * plain, `${seconds} s against ${plain} s`);
});

test('transfer: bursts that swallow whole flights are survived', () => {
  const world = createWorld({ delayUs: 10_000, burst: { enter: 0.02, leave: 0.2, loss: 1 } }, 5);
  complete(open(world, scriptsFor(mebibyte, mebibyte)), 600_000_000);
  assertNoFlows(world);
});

test('transfer: an outage of seconds is waited for', () => {
  const world = createWorld({ delayUs: 10_000, bitsPerSecond: 20e6, queueBytes: 100_000 });
  const run = open(world, scriptsFor(4 * mebibyte, 0));
  runFor(world, 500_000);
  for (const { options } of [world.up, world.down]) options.up = false;
  runFor(world, 5_000_000);
  for (const { options } of [world.up, world.down]) options.up = true;
  const seconds = complete(run, 60_000_000);
  assert.ok(seconds < 15, `${seconds} s after the outage`);
});

test('transfer: the path MTU is found, without losing content to probes', () => {
  for (const mtuBytes of [1200, 1313, 1472]) {
    const world = createWorld({ delayUs: 5_000, bitsPerSecond: 50e6, queueBytes: 200_000, mtuBytes });
    const run = open(world, scriptsFor(8 * mebibyte, 0));
    let largest = 0;
    runFor(world, 60_000_000, () => {
      largest = Math.max(largest, world.client.stack.inspect().flows[0]?.packetBytes ?? 0);
      return allClosed(run.client, run.server());
    });
    complete(run, 1);
    assert.ok(largest <= mtuBytes && largest > mtuBytes - 16, `${largest} on a path of ${mtuBytes}`);
  }
});

test('transfer: an MTU lowered mid-flow, reported or not, does not stop it', () => {
  for (const reportTooBig of [true, false]) {
    for (const mtuBytes of [1250, 1100]) {
      const world = createWorld({ delayUs: 5_000, bitsPerSecond: 50e6, queueBytes: 200_000 });
      const run = open(world, scriptsFor(8 * mebibyte, 0));
      runFor(world, 500_000);
      Object.assign(world.up.options, { mtuBytes, reportTooBig });
      const seconds = complete(run, 60_000_000);
      assert.ok(world.up.counters.fates['too-big'] > 0);
      assert.ok(seconds < 20, `${mtuBytes}, ${reportTooBig ? 'reported' : 'silent'}: ${seconds} s`);
    }
  }
});

test('transfer: the source address changes mid-flow and everything is still delivered', () => {
  for (const [upBytes, downBytes] of [
    [4 * mebibyte, 0],
    [0, 4 * mebibyte],
    [2 * mebibyte, 2 * mebibyte],
  ] as const) {
    const world = createWorld({ delayUs: 10_000, bitsPerSecond: 20e6, queueBytes: 100_000 });
    const run = open(world, scriptsFor(upBytes, downBytes));
    runFor(world, 400_000);
    rebind(world.simulation.network, world.client.station, [makeLocator('198.51.100.7', 61_000)]);
    complete(run, 120_000_000);
    assertNoFlows(world);
  }
});

test('transfer: a client that sends goes on after its own address changed', () => {
  const world = createWorld({ delayUs: 10_000, bitsPerSecond: 20e6, queueBytes: 100_000 });
  const run = open(world, scriptsFor(4 * mebibyte, 0));
  runFor(world, 400_000);
  moveHost(world.simulation.network, world.client, '10.0.5.5', 40_001);
  complete(run, 120_000_000);
});

test('transfer: a reader that pauses holds the sender back, and everything comes', () => {
  const [clientScript, serverScript] = scriptsFor(40 * mebibyte, 0);
  const world = createWorld({ delayUs: 1_000, bitsPerSecond: 1e9, queueBytes: 1e6 });
  const run = open(world, [clientScript, { ...serverScript, readBytes: mebibyte, pauseUs: 50_000 }]);
  runFor(world, 500_000);
  const server = run.server();
  assert.ok(
    server !== undefined && run.client.sentBytes - server.receivedBytes < 24 * mebibyte,
    'nobody buffers it all',
  );
  complete(run, 60_000_000);
});

test('transfer: a packet of a flow that is gone, in one super-packet with ours, costs it nothing', () => {
  const world = createWorld({ delayUs: 1_000, bitsPerSecond: 100e6 });
  const run = open(world, scriptsFor(mebibyte, mebibyte));
  const gone = forgeSegment({ hi: 1, lo: 2 }, {}, new Uint8Array(100));
  tapAll(world.simulation, ['client>server', 'server>client'], (packet) => {
    const bytes = new Uint8Array(gone.length + packet.bytes.length);
    bytes.set(gone);
    bytes.set(packet.bytes, gone.length);
    return [{ ...packet, bytes }];
  });
  const seconds = complete(run, 60_000_000);
  assert.ok(seconds < 1, `${seconds} s`);
});
