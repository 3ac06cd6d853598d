// Flows whose ends move (docs/protocol.md, "Moves"): every byte arrives once, whatever moves when; nothing but what an
// address has earned goes there before it has answered.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLocator } from '../../src/core/base/index.ts';
import { type Event, Protocol, type Stack, tellListener } from '../../src/core/stack/index.ts';
import type { Tcb } from '../../src/core/transport/index.ts';
import {
  addLink,
  type LinkOptions,
  linkHost,
  makeLocator,
  moveHost,
  rebind,
  type SimHost,
  setWay,
} from '../../src/sim/index.ts';
import type { Endpoint } from './endpoint.ts';
import {
  assertIntact,
  assertNoFlows,
  createWorld,
  dialFrom,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  serviceOf,
  type World,
} from './world.ts';

/** 20 ms there and back. */
const link: Partial<LinkOptions> = { delayUs: 10_000, bitsPerSecond: 20_000_000, queueBytes: 20_000 };
const rttUs = 20_000;

interface Session {
  readonly world: World;
  readonly client: Endpoint;
  readonly server: () => Endpoint;
}

function open(upBytes: number, downBytes: number, options: Partial<LinkOptions> = link, seed = 1): Session {
  const world = createWorld(options, seed);
  const [clientScript, serverScript] = scriptsFor(upBytes, downBytes);
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  const server = (): Endpoint => {
    const [accepted] = listening.accepted;
    assert.ok(accepted);
    return accepted;
  };
  return { world, client, server };
}

function moveTo(world: World, host: SimHost<Stack>, address: string | undefined): void {
  moveHost(world.simulation.network, host, address, 40_000);
}

function finish({ world, client, server }: Session, forUs = 60_000_000): void {
  assert.ok(
    runFor(world, forUs, () => client.reason !== undefined && server().reason !== undefined),
    `client ${reasonOf(client)} ${client.receivedBytes}, server ${reasonOf(server())} ${server().receivedBytes}`,
  );
  assertIntact(client);
  assertIntact(server());
  assertNoFlows(world);
}

/** When the next byte in order arrives at `host`. A record is delivered when all of it is there. */
function nextArrivalUs({ world }: Session, host: SimHost<Stack>): number {
  const { clock } = world.simulation;
  const tcb = tcbOf(host);
  const [fromUs, { rcvNxt }] = [clock.nowUs, tcb];
  assert.ok(runFor(world, 5_000_000, () => tcb.rcvNxt > rcvNxt));
  return clock.nowUs - fromUs;
}

function tcbOf(host: SimHost<Stack>): Tcb {
  for (const flow of host.stack.state.flows.values) if (flow?.kind === 'connection' && flow.tcb) return flow.tcb;
  throw new Error('there is no stream');
}

function resolved(world: World): number {
  return world.router.stack.state.counters.forwarded;
}

test('move: the first bytes of a download come from the new address after one round trip', () => {
  const session = open(0, 2_000_000);
  const { world, client } = session;
  runFor(world, 400_000);
  moveTo(world, world.client, '10.0.0.11');
  // And the time that packets take on this link.
  assert.ok(nextArrivalUs(session, world.client) <= rttUs + 2_000);
  runFor(world, 2 * rttUs);
  const bytes = client.receivedBytes;
  runFor(world, 200_000);
  const rate = ((client.receivedBytes - bytes) * 8) / 0.2;
  assert.ok(rate > 0.8 * 20_000_000, `full rate after two more round trips: ${rate} bit/s`);
  assert.equal(tcbOf(world.server).counters.timeouts, 0);
  finish(session);
});

test('move: an upload goes on from the new address, and nothing of it is sent in vain', () => {
  const session = open(2_000_000, 0, { ...link, queueBytes: Infinity });
  const { world } = session;
  runFor(world, 400_000);
  moveTo(world, world.client, '10.0.0.11');
  const { counters } = tcbOf(world.client);
  finish(session);
  assert.equal(counters.timeouts, 0);
  assert.ok(counters.bytesRetransmitted < 20_000, `${counters.bytesRetransmitted}`);
});

test('move: the server moves, and the router learns it', () => {
  for (const [up, down] of [
    [0, 2_000_000],
    [2_000_000, 0],
    [500_000, 500_000],
  ] as const) {
    const session = open(up, down);
    const { world } = session;
    runFor(world, 400_000);
    moveTo(world, world.server, '10.0.0.12');
    runFor(world, 50_000);
    const registered = world.router.stack.inspect().registrations.map(({ locator }) => locator);
    assert.deepEqual(registered, ['10.0.0.12:40000']);
    finish(session);
  }
});

test('move: notices that change nothing move nothing, and register nothing again', () => {
  const session = open(0, 2_000_000);
  const { world } = session;
  const notice = (): void => {
    for (const { driver, station } of [world.client, world.server])
      driver.handle({ kind: 'bound', locals: [...station.locals] });
    runFor(world, 20_000);
  };
  runFor(world, 300_000);
  notice();
  const counters = world.router.stack.state.registry?.counters;
  const refreshed = counters?.refreshed;
  for (let i = 0; i < 10; i++) notice();
  assert.equal(counters?.refreshed, refreshed);
  assert.equal(world.server.stack.state.counters.moves, 0);
  finish(session);
});

test('move: both ends at once, again and again, while the old addresses still lead there', () => {
  const session = open(1_000_000, 1_000_000);
  const { world } = session;
  const { network } = world.simulation;
  runFor(world, 300_000);
  for (let i = 1; i <= 10; i++) {
    // The old locators are kept for half a second, as by an interface that has two addresses.
    for (const [host, net] of [
      [world.client, 1],
      [world.server, 2],
    ] as const) {
      const old = host.station.locals[0];
      assert.ok(old);
      moveTo(world, host, `10.${net}.0.${i}`);
      network.seen.set(formatLocator(old), host.station);
    }
    runFor(world, 100_000);
  }
  finish(session);
});

test('move: both ends at once, and nothing is left at the old addresses: they meet at the router', () => {
  for (const afterUs of [0, 1_000, 5_000, 15_000, 100_000]) {
    const session = open(1_000_000, 1_000_000);
    const { world } = session;
    runFor(world, 300_000);
    moveTo(world, world.client, '10.0.0.11');
    runFor(world, afterUs);
    moveTo(world, world.server, '10.0.0.12');
    const before = resolved(world);
    runFor(world, 5_000_000);
    if (afterUs < 5_000) assert.ok(resolved(world) > before, 'without the router they would not meet');
    finish(session);
    const names = world.router.stack.inspect().registrations.length;
    assert.equal(names, 1, 'only the service is registered');
  }
});

test('move: both are seen elsewhere at once, by NATs that keep the old mapping: they tell each other, and go on', () => {
  const session = open(4_000_000, 4_000_000);
  const { world } = session;
  const { network } = world.simulation;
  runFor(world, 300_000);
  // Each end listens to the other where that has said to be, and there alone.
  moveTo(world, world.client, '10.0.0.11');
  runFor(world, 300_000);
  moveTo(world, world.server, '10.0.0.12');
  runFor(world, 300_000);
  for (const [i, { station }] of [world.client, world.server].entries())
    rebind(network, station, [makeLocator(`10.0.0.${21 + i}`, 7_000), ...station.locals]);
  const before = world.server.stack.state.counters.moves;
  runFor(world, 500_000);
  const moves = world.server.stack.state.counters.moves - before;
  assert.ok(moves >= 1 && moves <= 3, `${moves} moves`);
  finish(session);
});

test('move: a hundred times in ten seconds under one percent of loss', () => {
  for (const [up, down] of [
    [0, 20_000_000],
    [20_000_000, 0],
  ] as const) {
    const session = open(up, down, { ...link, loss: 0.01 });
    const { world } = session;
    runFor(world, 300_000);
    for (let i = 0; i < 100; i++) {
      moveTo(world, world.client, `10.0.1.${i + 1}`);
      runFor(world, 100_000);
    }
    finish(session);
    assert.ok(world.server.stack.state.counters.moves > 80, `${world.server.stack.state.counters.moves}`);
  }
});

test('move: faster than the peer can hear of it', () => {
  const session = open(1_000_000, 1_000_000);
  const { world } = session;
  runFor(world, 300_000);
  for (let i = 0; i < 200; i++) {
    moveTo(world, world.client, `10.0.1.${i + 1}`);
    runFor(world, 3_000);
  }
  finish(session);
});

test('freeze: without an address nothing is sent, and the same address again goes on at once with what it knew', () => {
  for (const [up, down] of [
    [0, 4_000_000],
    [4_000_000, 0],
  ] as const) {
    const session = open(up, down);
    const { world } = session;
    const sender = up > 0 ? world.client : world.server;
    const receiver = up > 0 ? world.server : world.client;
    runFor(world, 500_000);
    const cwndBytes = tcbOf(sender).congestion.cwndBytes;
    moveTo(world, world.client, undefined);
    const sent = world.client.driver.counters.packetsSent;
    runFor(world, 5_000_000);
    assert.equal(world.client.driver.counters.packetsSent, sent);
    moveTo(world, world.client, '10.0.0.1');
    // A sender that was away asks first what has arrived.
    assert.ok(nextArrivalUs(session, receiver) <= (up > 0 ? 2 : 1) * rttUs + 2_000);
    runFor(world, 3 * rttUs);
    const window = tcbOf(sender).congestion.cwndBytes;
    assert.ok(window >= 0.6 * cwndBytes, `${window} of ${cwndBytes} bytes: no slow start`);
    finish(session);
  }
});

test('freeze: another address ends it, too', () => {
  const session = open(0, 2_000_000);
  const { world } = session;
  runFor(world, 400_000);
  moveTo(world, world.client, undefined);
  runFor(world, 3_000_000);
  moveTo(world, world.client, '10.0.0.11');
  assert.ok(nextArrivalUs(session, world.client) <= rttUs + 2_000);
  finish(session);
});

/** The client has a second link; what became of a move to it. */
function second(session: Session, options: Partial<LinkOptions>): { move(): number; outcome(): string | undefined } {
  const { world, client } = session;
  const { network } = world.simulation;
  const there = makeLocator('10.9.0.1', 40_001);
  const back = makeLocator('10.0.0.2', 40_000);
  linkHost(network, world.client, 1, there);
  setWay(network, there, back, [addLink(network, { ...link, ...options })]);
  setWay(network, back, there, [addLink(network, { ...link, ...options })]);
  let outcome: string | undefined;
  const { driver } = world.client;
  const listener = driver.listeners.get(client.socket);
  driver.attach(client.socket, (event: Event) => {
    if (event.kind === 'migrated' || event.kind === 'migrate-failed') outcome = event.kind;
    if (listener !== undefined) tellListener(listener, event);
  });
  return {
    move: () => driver.handle({ kind: 'migrate', socket: client.socket, link: 1 }),
    outcome: () => outcome,
  };
}

test('move: to another link while the first one works: nothing pauses', () => {
  const session = open(0, 3_000_000);
  const { world } = session;
  runFor(world, 400_000);
  const { move, outcome } = second(session, {});
  assert.equal(move(), 1);
  const packets = world.down.counters.fates.carried;
  const tcb = tcbOf(world.client);
  let [lastUs, bytes, longestUs] = [world.simulation.clock.nowUs, tcb.rcvNxt, 0];
  runFor(world, 100_000, () => {
    const { nowUs } = world.simulation.clock;
    if (tcb.rcvNxt > bytes) {
      longestUs = Math.max(longestUs, nowUs - lastUs);
      [lastUs, bytes] = [nowUs, tcb.rcvNxt];
    }
    return false;
  });
  assert.equal(outcome(), 'migrated');
  // A segment that is withheld to try the peer costs a round trip, too.
  assert.ok(longestUs < 1.5 * rttUs, `${longestUs}`);
  const old = world.down.counters.fates.carried - packets;
  runFor(world, 100_000);
  assert.equal(world.down.counters.fates.carried - packets, old, 'nothing goes the old way any more');
  finish(session);
});

test('move: to a link that nobody answers by: the flow stays where it was, and says so', () => {
  for (const options of [{ up: false }, { loss: 1 }]) {
    const session = open(0, 3_000_000);
    const { world } = session;
    runFor(world, 400_000);
    const { move, outcome } = second(session, options);
    assert.equal(move(), 1);
    finish(session);
    assert.ok(outcome() === 'migrate-failed' || outcome() === undefined);
  }
});

test('move: the answer is lost, not the announcement: the flow stays where it was', () => {
  const session = open(0, 10_000_000);
  const { world } = session;
  runFor(world, 400_000);
  const { move, outcome } = second(session, {});
  const { network } = world.simulation;
  setWay(network, makeLocator('10.0.0.2', 40_000), makeLocator('10.9.0.1', 40_001), [addLink(network, { up: false })]);
  assert.equal(move(), 1);
  runFor(world, 10_000_000, () => outcome() !== undefined);
  assert.equal(outcome(), 'migrate-failed');
  finish(session);
});

test('move: the peer moves, too, and that is all that is heard of its answer', () => {
  const session = open(0, 3_000_000);
  const { world } = session;
  runFor(world, 400_000);
  const { move, outcome } = second(session, {});
  const { network } = world.simulation;
  setWay(network, makeLocator('10.0.0.2', 40_000), makeLocator('10.9.0.1', 40_001), [addLink(network, { up: false })]);
  assert.equal(move(), 1);
  runFor(world, 15_000);
  moveTo(world, world.server, '10.0.0.12');
  runFor(world, 100_000);
  assert.equal(outcome(), 'migrated');
  assert.deepEqual(
    world.client.stack.inspect().flows.map((flow) => flow.link),
    [1],
  );
  finish(session);
});

test('move: a link that does not exist, a socket that is no connection', () => {
  const { world, client } = open(0, 100_000);
  const { driver } = world.client;
  assert.equal(driver.handle({ kind: 'migrate', socket: client.socket, link: 7 }), 0);
  assert.equal(driver.handle({ kind: 'migrate', socket: 4711 }), 0);
  const listener = driver.handle({
    kind: 'listen',
    service: serviceOf('elsewhere'),
    bits: 256,
    protocol: Protocol.TCP,
  });
  assert.equal(driver.handle({ kind: 'migrate', socket: listener }), 0);
});
