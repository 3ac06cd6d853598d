// How a flow learns that its peer is gone, and how it does not: killed processes whose host answers, hosts that say nothing,
// routers that know, peers that only pause, hints that lie, an end that was given up and comes back. Times are virtual.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameLocator } from '../../src/core/base/index.ts';
import { MessageType } from '../../src/core/control/index.ts';
import { type Event, Protocol, type SocketId } from '../../src/core/stack/index.ts';
import { makeLocator, rebind, schedule } from '../../src/sim/index.ts';
import { kindOf, messageTypeOf } from './packets.ts';
import { addMember, addRouter, createWorld, reasonOf, runFor, service, type World } from './world.ts';

const piece = new Uint8Array(16_384);

/** One end of a connection whose application does what the test says. */
interface Side {
  socket: SocketId;
  receivedBytes: number;
  reason: number | undefined;
  detail: string;
  lastUs: number;
  closedUs: number;
  ended: boolean;
}

interface Pair {
  readonly world: World;
  readonly client: Side;
  readonly server: Side;
}

type Who = 'client' | 'server';

function follow(world: World, who: Who, side: Side, socket: SocketId): void {
  const { driver } = world[who];
  side.socket = socket;
  driver.attach(socket, (event: Event) => {
    const { nowUs } = world.simulation.clock;
    if (event.kind === 'data') {
      side.receivedBytes += event.bytes.length;
      side.lastUs = nowUs;
      driver.handle({ kind: 'read', socket, bytes: event.bytes.length });
    } else if (event.kind === 'end') side.ended = true;
    else if (event.kind === 'closed') {
      side.reason = event.reason;
      side.detail = event.detail;
      side.closedUs = nowUs;
    }
  });
  driver.handle({ kind: 'read', socket, bytes: 1 << 30 });
}

function blankSide(): Side {
  return { socket: 0, receivedBytes: 0, reason: undefined, detail: '', lastUs: 0, closedUs: 0, ended: false };
}

/** A connection that both applications know. */
function open(world: World): Pair {
  const client = blankSide();
  const server = blankSide();
  const listener = world.server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  let registered = false;
  world.server.driver.attach(listener, (event) => {
    if (event.kind === 'listening') registered = true;
    if (event.kind === 'connection') follow(world, 'server', server, event.connection);
  });
  assert.ok(runFor(world, 5_000_000, () => registered));
  follow(world, 'client', client, world.client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP }));
  assert.ok(runFor(world, 5_000_000, () => server.socket !== 0));
  return { world, client, server };
}

/** Writes `bytes` each `everyUs`, as long as the connection lives. */
function trickle({ world, ...pair }: Pair, who: Who, bytes: number, everyUs: number): void {
  const { clock } = world.simulation;
  const again = (): void => {
    if (pair[who].reason !== undefined) return;
    world[who].driver.handle({ kind: 'write', socket: pair[who].socket, bytes: piece.subarray(0, bytes), offset: 0 });
    schedule(clock, clock.nowUs + everyUs, again);
  };
  again();
}

/** Packets between the two since record `from`, by direction. */
function exchanged(world: World, from: number): number {
  return world.simulation.trace.records
    .slice(from)
    .filter(({ verdict, from: a, to: b }) => verdict === 'sent' && a !== 'router' && b !== 'router').length;
}

/** When the last packet of the server reached the client. */
function lastSignUs({ simulation }: World): number {
  return simulation.trace.records.findLast(
    (r) => r.verdict === 'delivered' && r.from === 'server' && r.to === 'client',
  )!.atUs;
}

function assertLost({ client }: Pair, words: RegExp): void {
  assert.equal(reasonOf(client as never), 'peer-lost', client.detail);
  assert.match(client.detail, words);
}

test('liveness: a killed process is known within 100 ms of its last sign of life, whoever sends, at any small round trip', () => {
  for (const delayUs of [50, 500, 2_000]) {
    for (const sender of ['client', 'server'] as const) {
      const pair = open(createWorld({ delayUs }));
      const { world, client } = pair;
      trickle(pair, sender, 4_000, 3_000);
      runFor(world, 1_000_000);
      world.server.driver.kill(true);
      assert.ok(
        runFor(world, 1_000_000, () => client.reason !== undefined),
        `${sender} at ${delayUs} us`,
      );
      assertLost(pair, /its host says/);
      const tookUs = client.closedUs - lastSignUs(world);
      assert.ok(tookUs < 100_000, `${tookUs} us when the ${sender} sends at ${delayUs} us`);
    }
  }
});

test('liveness: a host that says unasked, six times and no more, that its process is gone is taken at its word at once', () => {
  for (const delayUs of [1_000, 10_000]) {
    const pair = open(createWorld({ delayUs }));
    const { world, client } = pair;
    const { clock, network } = world.simulation;
    trickle(pair, 'server', 4_000, 3_000);
    runFor(world, 1_000_000);
    const [remote] = world.server.station.seenAs;
    let words = 6;
    network.observers.push((verdict, from, _to, { destination }) => {
      if (verdict !== 'unreachable' || from !== 'client' || !sameLocator(destination, remote!) || words-- <= 0) return;
      schedule(clock, clock.nowUs + 2 * delayUs, () =>
        world.client.driver.handle({ kind: 'unreachable', remote: remote! }),
      );
    });
    // What it sent last is still on its way, and acknowledged in vain.
    world.server.driver.kill();
    assert.ok(runFor(world, 1_000_000, () => client.reason !== undefined));
    assertLost(pair, /its host says/);
    const tookUs = client.closedUs - lastSignUs(world);
    const allowedUs = 2 * delayUs + 5_000 + Math.max(2 * delayUs + 8_000, 20_000) + 2_000;
    assert.ok(tookUs <= allowedUs, `${tookUs} us of ${allowedUs} at ${delayUs} us`);
  }
});

test('liveness: a client whose address changes is not ended by what its old host says, before it can miss something', () => {
  const pair = open(createWorld({ delayUs: 5_000 }));
  const { world, client, server } = pair;
  const { clock, network } = world.simulation;
  const write = (): void =>
    void world.client.driver.handle({ kind: 'write', socket: client.socket, bytes: piece.subarray(0, 500), offset: 0 });
  for (let i = 0; i < 20; i++) {
    write();
    runFor(world, 40_000);
  }
  const [old] = world.client.station.seenAs;
  // The last thing that it says from there; what acknowledges it comes to nobody.
  write();
  runFor(world, 1_000);
  rebind(network, world.client.station, [makeLocator('10.0.0.77', 1_000)]);
  for (const afterUs of [6_000, 10_000, 20_000, 40_000])
    schedule(clock, clock.nowUs + afterUs, () => world.server.driver.handle({ kind: 'unreachable', remote: old! }));
  runFor(world, 500_000);
  write();
  runFor(world, 500_000);
  assert.deepEqual([client.reason, server.reason], [undefined, undefined], server.detail);
  assert.equal(server.receivedBytes, 22 * 500);
});

test('liveness: at large round trips the time goes with them, and stays below ten', () => {
  for (const delayUs of [20_000, 50_000, 150_000]) {
    for (const sender of ['client', 'server'] as const) {
      const pair = open(createWorld({ delayUs }));
      const { world, client } = pair;
      trickle(pair, sender, 4_000, 20_000);
      runFor(world, 3_000_000);
      world.server.driver.kill(true);
      assert.ok(runFor(world, 10_000_000, () => client.reason !== undefined));
      assertLost(pair, /its host says/);
      const rounds = (client.closedUs - lastSignUs(world)) / (2 * delayUs);
      assert.ok(rounds < 10, `${rounds} round trips`);
    }
  }
});

test('liveness: a request that was acknowledged is not waited for when its server is killed', () => {
  for (const computingUs of [10_000, 300_000, 5_000_000, 60_000_000]) {
    const pair = open(createWorld({ delayUs: 1_000 }));
    const { world, client } = pair;
    const request = { kind: 'write', socket: client.socket, bytes: piece.subarray(0, 300), offset: 0 } as const;
    world.client.driver.handle(request);
    const from = world.simulation.trace.records.length;
    runFor(world, computingUs);
    assert.equal(client.reason, undefined);
    // The request itself, and less than a packet a second.
    const packets = exchanged(world, from);
    assert.ok(packets <= 16 + computingUs / 1e6, `${packets} packets in ${computingUs} us`);
    const startUs = world.simulation.clock.nowUs;
    world.server.driver.kill(true);
    assert.ok(runFor(world, 5_000_000, () => client.reason !== undefined));
    assertLost(pair, /its host says/);
    const tookUs = client.closedUs - startUs;
    assert.ok(tookUs < Math.min(2 * computingUs + 200_000, 2_200_000), `${tookUs} us after ${computingUs} us`);
  }
});

test('liveness: a host that says nothing is known by the router, below three heartbeats', () => {
  for (let offset = 0; offset < 10; offset++) {
    const pair = open(createWorld({ delayUs: 1_000 }, offset + 1));
    const { world, client } = pair;
    trickle(pair, offset % 2 === 0 ? 'client' : 'server', 4_000, 3_000);
    runFor(world, 1_000_000 + offset * 100_000);
    const startUs = world.simulation.clock.nowUs;
    world.server.driver.kill();
    assert.ok(runFor(world, 5_000_000, () => client.reason !== undefined));
    assertLost(pair, /the router has not heard/);
    assert.ok(client.closedUs - startUs < 3_000_000, `${client.closedUs - startUs} us`);
  }
});

test('liveness: where nobody knows anything the last resort remains, and probes get rare', () => {
  const pair = open(createWorld({ delayUs: 1_000 }));
  const { world, client } = pair;
  trickle(pair, 'server', 4_000, 3_000);
  runFor(world, 1_000_000);
  world.server.driver.kill();
  world.router.driver.kill();
  const from = world.simulation.trace.records.length;
  runFor(world, 250_000_000);
  assert.equal(client.reason, undefined);
  const packets = world.simulation.trace.records
    .slice(from)
    .filter((r) => r.from === 'client' && r.to === '?' && r.bytes.length < 100).length;
  assert.ok(packets < 120, `${packets} packets in 250 s`);
  assert.ok(runFor(world, 100_000_000, () => client.reason !== undefined));
  assert.equal(reasonOf(client as never), 'timed-out');
});

test('liveness: pauses of a live peer cost a few probes and end nothing', () => {
  for (const loss of [0, 0.05]) {
    const pair = open(createWorld({ delayUs: 10_000, loss }, 7));
    const { world, client, server } = pair;
    const say = (who: Who): void => {
      const { socket } = pair[who];
      world[who].driver.handle({ kind: 'write', socket, bytes: piece, offset: 0 });
    };
    for (const who of ['client', 'server'] as const) {
      say(who);
      runFor(world, 1_000_000);
      const from = world.simulation.trace.records.length;
      runFor(world, 120_000_000);
      const packets = exchanged(world, from);
      assert.ok(packets <= (who === 'client' ? 150 : 16), `${packets} packets after the ${who} spoke, loss ${loss}`);
    }
    // A flow that is owed nothing any more is silent for good.
    const from = world.simulation.trace.records.length;
    runFor(world, 3_600_000_000);
    assert.equal(exchanged(world, from), 0);
    assert.deepEqual([client.reason, server.reason], [undefined, undefined]);
    assert.deepEqual([client.receivedBytes, server.receivedBytes], [piece.length, piece.length]);
  }
});

test('liveness: a flow that is idle does not notice, and learns as soon as it has work', () => {
  const pair = open(createWorld({ delayUs: 1_000 }));
  const { world, client } = pair;
  runFor(world, 10_000_000);
  world.server.driver.kill(true);
  runFor(world, 60_000_000);
  assert.equal(client.reason, undefined);
  const startUs = world.simulation.clock.nowUs;
  world.client.driver.handle({ kind: 'write', socket: client.socket, bytes: piece, offset: 0 });
  assert.ok(runFor(world, 1_000_000, () => client.reason !== undefined));
  assertLost(pair, /its host says/);
  assert.ok(client.closedUs - startUs < 100_000, `${client.closedUs - startUs} us`);
});

test('liveness: whoever was wrongly said to be gone is not ended, and the liar is not believed again', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const pair = open(createWorld({ delayUs: 5_000, loss: 0.02 }, seed, undefined, false));
    const { world, client, server } = pair;
    const { clock } = world.simulation;
    const [remote] = world.server.station.seenAs;
    trickle(pair, seed % 2 === 0 ? 'client' : 'server', 4_000, 40_000 + seed * 1_000);
    const lie = (): void => {
      if (client.reason !== undefined) return;
      world.client.driver.handle({ kind: 'unreachable', remote: remote! });
      schedule(clock, clock.nowUs + 7_000, lie);
    };
    lie();
    runFor(world, 20_000_000);
    assert.deepEqual([client.reason, server.reason], [undefined, undefined], `seed ${seed}: ${client.detail}`);
  }
});

test('liveness: an end that was given up and was only slow is reset when it comes back, and none of its bytes arrive', () => {
  const pair = open(createWorld({ delayUs: 1_000 }));
  const { world, client, server } = pair;
  trickle(pair, 'server', 4_000, 3_000);
  runFor(world, 1_000_000);
  const reachable = world.server.station.seenAs;
  rebind(world.simulation.network, world.server.station, []);
  assert.ok(runFor(world, 5_000_000, () => client.reason !== undefined));
  assertLost(pair, /the router has not heard/);
  runFor(world, 20_000_000);
  const { receivedBytes } = client;
  rebind(world.simulation.network, world.server.station, reachable);
  assert.ok(runFor(world, 60_000_000, () => server.reason !== undefined));
  assert.equal(reasonOf(server as never), 'peer-lost');
  assert.equal(client.receivedBytes, receivedBytes);
});

test('liveness: flows to one peer share the questions to its host and to the router', () => {
  const world = createWorld({ delayUs: 1_000 });
  const pair = open(world);
  const others: Side[] = [];
  for (let i = 0; i < 50; i++) {
    const side = blankSide();
    follow(world, 'client', side, world.client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP }));
    others.push(side);
  }
  runFor(world, 500_000);
  for (const { socket } of [pair.client, ...others])
    world.client.driver.handle({ kind: 'write', socket, bytes: piece, offset: 0 });
  world.server.driver.kill();
  const from = world.simulation.trace.records.length;
  runFor(world, 2_900_000, () => others.every(({ reason }) => reason !== undefined));
  const toRouter = world.simulation.trace.records
    .slice(from)
    .filter((r) => r.verdict === 'sent' && r.from === 'client' && r.to === 'router' && kindOf(r.bytes) === 'named');
  const asked = toRouter.filter(({ bytes }) => messageTypeOf(bytes) === MessageType.LIVENESS_QUERY);
  assert.ok(asked.length > 5 && asked.length <= 13, `${asked.length} questions`);
  // A few of the flows can be found by name meanwhile: REGISTER, twice for the nonce, and UNREGISTER of each.
  const named = toRouter.length - asked.length;
  assert.ok(named <= 4 * 4, `${named} registrations`);
  for (const side of [pair.client, ...others]) assert.equal(reasonOf(side as never), 'peer-lost');
});

test('heartbeats: a stack that falls silent is out of the table after three intervals, and back when it is heard again', () => {
  const world = createWorld();
  const lease = { leaseUs: 60_000_000 };
  const router = world.router.stack.state;
  const registry = router.registry!;
  const host = addMember(world.simulation, 'beating', '10.0.0.9', undefined, undefined, lease);
  const quiet = addMember(world.simulation, 'quiet', '10.0.0.8', undefined, undefined, { ...lease, heartbeatUs: 0 });
  for (const each of [host, quiet]) each.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  runFor(world, 3_000_000);
  const locators = () => [...world.router.stack.inspect().registrations].map(({ locator }) => locator).sort();
  assert.deepEqual(locators(), ['10.0.0.8:40000', '10.0.0.9:40000']);
  const addresses = [host, quiet].map(({ station }) => station.seenAs);
  for (const { station } of [host, quiet]) rebind(world.simulation.network, station, []);
  runFor(world, 1_900_000);
  assert.equal(locators().length, 2);
  runFor(world, 1_200_000);
  assert.deepEqual(locators(), ['10.0.0.8:40000']);
  assert.equal(registry.counters.silenced, 1);
  for (const [i, { station }] of [host, quiet].entries()) rebind(world.simulation.network, station, addresses[i]!);
  runFor(world, 1_100_000);
  assert.deepEqual(locators(), ['10.0.0.8:40000', '10.0.0.9:40000']);
});

test('heartbeats: an idle server wakes once a second, for the answer that it says the next thing in', () => {
  const world = createWorld();
  world.server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  runFor(world, 3_500_000);
  const from = world.simulation.trace.records.length;
  runFor(world, 60_000_000);
  const records = world.simulation.trace.records.slice(from);
  const heard = records.filter((r) => r.verdict === 'delivered' && r.to === 'server').map((r) => r.atUs);
  const said = records.filter((r) => r.verdict === 'sent' && r.from === 'server');
  assert.ok(said.every((r) => heard.includes(r.atUs)));
  const beats = said.filter(({ bytes }) => messageTypeOf(bytes) === MessageType.HEARTBEAT);
  // An interval and a round trip.
  assert.ok(beats.length >= 58 && beats.length <= 60, `${beats.length} heartbeats`);
  const refreshes = said.length - beats.length;
  assert.ok(refreshes >= 12 && refreshes <= 15, `${refreshes} refreshes`);
  assert.equal(heard.length, said.length);
});

test('heartbeats: a restarted router has the names back in an interval and 100 ms, whenever it was', () => {
  for (let offset = 0; offset < 10; offset++) {
    const world = createWorld();
    world.server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
    runFor(world, 5_000_000 + offset * 100_000);
    world.router.driver.kill();
    runFor(world, 10_000);
    const { stack } = addRouter(world.simulation);
    assert.ok(
      runFor(world, 1_120_000, () => stack.inspect().registrations.length === 1),
      `after ${offset}00 ms`,
    );
  }
});

test('heartbeats: a router that dies is lost within 1.5 s of the next one, whenever it was', () => {
  for (let offset = 0; offset < 10; offset++) {
    const world = createWorld();
    world.server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
    runFor(world, 5_000_000 + offset * 100_000);
    world.router.driver.kill();
    const { registrar } = world.server.stack.state;
    assert.ok(
      runFor(world, 2_510_000, () => registrar.routerLost),
      `after ${offset}00 ms`,
    );
  }
});

test('shutdown: a process that ends takes its names back, delivers what it wrote and resets the rest', () => {
  const pair = open(createWorld({ delayUs: 5_000 }));
  const { world, client } = pair;
  const other = blankSide();
  follow(world, 'client', other, world.client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP }));
  runFor(world, 100_000);
  const { driver } = world.server;
  // One connection is in the middle of something, the other one was ended just now.
  const [first, second] = [...driver.listeners.keys()].slice(-2);
  const bytes = piece.subarray(0, 4_000);
  for (const socket of [first!, second!]) driver.handle({ kind: 'write', socket, bytes, offset: 0 });
  driver.handle({ kind: 'end', socket: second! });
  const startUs = world.simulation.clock.nowUs;
  void driver.close();
  assert.ok(runFor(world, 1_000_000, () => client.reason !== undefined && other.ended));
  assert.ok(client.closedUs - startUs <= 10_000, `${client.closedUs - startUs} us`);
  assert.deepEqual([reasonOf(client as never), client.receivedBytes], ['closed', bytes.length]);
  assert.deepEqual([other.reason, other.receivedBytes], [undefined, bytes.length]);
  assert.deepEqual(world.router.stack.inspect().registrations, []);
});
