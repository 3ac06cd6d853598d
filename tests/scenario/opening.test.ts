// Opening, packet by packet: the handshake, its retransmissions, refusals and how quick they are, other instances,
// half-open connections that nobody completes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinHosts, pathBetween } from '../../src/sim/index.ts';
import { dropFirst, kindOf, readPacket, sentOf } from './packets.ts';
import {
  addMember,
  allClosed,
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

const delayUs = 20_000;
const [clientScript, serverScript] = scriptsFor(10_000, 10_000);

function recordsOf({ simulation }: World) {
  return simulation.trace.records;
}

test('opening: one packet through the router, everything else directly, flowIDs on both sides', () => {
  const world = createWorld({ delayUs });
  listenOn(world, world.server, serverScript);
  const startUs = world.simulation.clock.nowUs;
  const from = recordsOf(world).length;
  const client = dialFrom(world, world.client, clientScript);
  assert.ok(runFor(world, 5_000_000, () => allClosed(client)));
  assertIntact(client);
  const sent = recordsOf(world)
    .slice(from)
    .filter(({ verdict }) => verdict === 'sent');
  const routed = sent.filter((r) => (r.to === 'router' || r.from === 'router') && kindOf(r.bytes) === 'SYN');
  assert.deepEqual(
    routed.map((r) => `${r.from}>${r.to}`),
    ['client>router', 'router>server'],
  );
  assert.equal(routed[0]?.bytes.length, 1100);
  const [synAck] = sentOf(sent, 'SYN|ACK', 'server', 'client');
  const [ack] = sentOf(sent, 'ACK', 'client', 'server');
  assert.ok(synAck !== undefined && ack !== undefined);
  assert.ok(synAck.bytes.length <= 1100);
  const syn = readPacket(routed[0]?.bytes ?? new Uint8Array()).control;
  const answer = readPacket(synAck.bytes);
  assert.deepEqual([answer.packet.flowHi, answer.packet.flowLo], [syn.flowHi, syn.flowLo]);
  const first = readPacket(ack.bytes).packet;
  assert.deepEqual([first.flowHi, first.flowLo], [answer.control.flowHi, answer.control.flowLo]);
  const data = sent.filter((r) => kindOf(r.bytes) === 'data');
  assert.ok(data.length > 0 && data.every((r) => r.from !== 'router' && r.to !== 'router'));
  // A round trip directly back, and two milliseconds by the router on the way there.
  assert.equal(client.openedUs - startUs, 2_000 + delayUs);
  assertNoFlows(world);
});

test('opening: a lost SYN, SYN-ACK or ACK is repeated, and the same SYN gets the same SYN-ACK', () => {
  for (const kind of ['SYN', 'SYN|ACK', 'ACK']) {
    const world = createWorld({ delayUs });
    const listening = listenOn(world, world.server, serverScript);
    const [toRouter] = pathBetween(world.simulation.network, 'client', 'router');
    const link = kind === 'SYN' ? toRouter : kind === 'ACK' ? world.up : world.down;
    const dropped = dropFirst(link!, kind, 2);
    const client = dialFrom(world, world.client, clientScript);
    assert.ok(
      runFor(world, 20_000_000, () => allClosed(client, ...listening.accepted)),
      kind,
    );
    assertIntact(client);
    assertIntact(listening.accepted[0]);
    assert.equal(listening.accepted.length, 1);
    assert.equal(dropped(), 2, kind);
    const answers = sentOf(recordsOf(world), 'SYN|ACK', 'server').map((r) => r.bytes.join());
    assert.equal(new Set(answers).size, 1, kind);
    assertNoFlows(world);
  }
});

test('opening: a repeated SYN meets the same instance, however many there are', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = createWorld({ delayUs }, seed);
    const { simulation } = world;
    const hosts = ['a', 'b', 'c', 'd'].map((name, i) => addMember(simulation, name, `10.0.1.${i + 1}`));
    const listening = hosts.map((host) => listenOn(world, host, serverScript));
    const droppers = hosts.map(({ name }) =>
      dropFirst(pathBetween(simulation.network, name, 'client')[0]!, 'SYN|ACK', 1),
    );
    const client = dialFrom(world, world.client, clientScript);
    assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
    assertIntact(client);
    runFor(world, 1_000_000);
    assert.equal(listening.flatMap(({ accepted }) => accepted).length, 1);
    assert.equal(
      droppers.reduce((sum, dropped) => sum + dropped(), 0),
      1,
    );
    const reached = new Set(sentOf(recordsOf(world), 'SYN', 'router').map((r) => r.to));
    assert.equal(reached.size, 1, `seed ${seed} reached ${[...reached]}`);
  }
});

test('opening: an instance that stays silent is left for another', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = createWorld({ delayUs }, seed);
    const other = addMember(world.simulation, 'other', '10.0.0.3');
    const listening = [world.server, other].map((host) => listenOn(world, host, serverScript));
    for (const name of ['server', 'other']) {
      const [link] = pathBetween(world.simulation.network, 'router', name);
      link!.options.filter = (packet) => kindOf(packet.bytes) !== 'SYN' || reachable(packet.destination.address);
    }
    let silent = '';
    const reachable = (address: Uint8Array) => {
      if (silent === '') silent = address.join('.');
      return address.join('.') !== silent;
    };
    const client = dialFrom(world, world.client, clientScript);
    assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
    assertIntact(client);
    assert.equal(listening.flatMap(({ accepted }) => accepted).length, 1);
  }
});

test('opening: an unknown service is refused in one round trip to the router', () => {
  const world = createWorld({ delayUs });
  listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript, serviceOf('nobody'));
  const startUs = world.simulation.clock.nowUs;
  assert.ok(runFor(world, 10_000_000, () => allClosed(client)));
  assert.equal(reasonOf(client), 'no-such-service');
  assert.equal(client.closedUs - startUs, 2_000);
  assertNoFlows(world);
});

test('opening: a dial that races with the closing of the only listener is refused at once', () => {
  const world = createWorld({ delayUs });
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  runFor(world, 1_500);
  const startUs = world.simulation.clock.nowUs;
  world.server.driver.handle({ kind: 'close', socket: listening.socket });
  assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
  assert.ok(['refused', 'closed', 'no-such-service', 'no-instance'].includes(reasonOf(client)), reasonOf(client));
  assert.ok(client.closedUs - startUs < 10 * delayUs, `${client.closedUs - startUs} us`);
  assert.ok(runFor(world, 5_000_000, () => listening.reason === 0));
  assertNoFlows(world);
});

test('opening: a dial whose SYN-ACK is out when the listener closes is let in and served', () => {
  const world = createWorld({ delayUs });
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  runFor(world, 2_500);
  assert.equal(client.opened, false);
  world.server.driver.handle({ kind: 'close', socket: listening.socket });
  assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
  assertIntact(client);
  assert.ok(runFor(world, 5_000_000, () => listening.reason === 0));
  assertNoFlows(world);
});

test('opening: a dial that races with the closing of one of two listeners reaches the other', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const world = createWorld({ delayUs }, seed);
    const other = addMember(world.simulation, 'other', '10.0.0.3');
    joinHosts(world.simulation, world.client, other, { delayUs });
    const [closing] = [world.server, other].map((host) => listenOn(world, host, serverScript));
    const client = dialFrom(world, world.client, clientScript);
    runFor(world, 1_500);
    const startUs = world.simulation.clock.nowUs;
    world.server.driver.handle({ kind: 'close', socket: closing!.socket });
    assert.ok(runFor(world, 20_000_000, () => client.opened));
    assert.ok(client.openedUs - startUs < 10 * delayUs, `seed ${seed}: ${client.openedUs - startUs} us`);
    assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
    assertIntact(client);
  }
});

test('opening: a SYN whose key is of low order gets no answer, and the server lives to answer a true one', () => {
  const world = createWorld({ delayUs });
  const listening = listenOn(world, world.server, serverScript);
  const [link] = pathBetween(world.simulation.network, 'router', 'server');
  let changed = 0;
  link!.options.filter = ({ bytes }) => {
    const { kind, packet } = readPacket(bytes);
    if (kind === 'SYN' && changed === 0) {
      changed++;
      bytes.fill(0, packet.handshakeOffset + 6, packet.handshakeOffset + 6 + 32);
    }
    return true;
  };
  const client = dialFrom(world, world.client, clientScript);
  assert.ok(runFor(world, 300_000, () => changed === 1));
  runFor(world, 50_000);
  assert.equal(sentOf(recordsOf(world), 'SYN|ACK', 'server').length, 0);
  assert.deepEqual(world.server.stack.inspect().flows, []);
  assert.ok(runFor(world, 20_000_000, () => allClosed(client, ...listening.accepted)));
  assertIntact(client);
  assert.equal(listening.accepted.length, 1);
  assertNoFlows(world);
});

test('opening: a half-open connection of a client that died goes away within ten seconds and was never told', () => {
  const world = createWorld({ delayUs });
  const listening = listenOn(world, world.server, serverScript);
  dialFrom(world, world.client, clientScript);
  runFor(world, 5_000);
  world.client.driver.kill();
  assert.equal(world.server.stack.inspect().flows.length, 1);
  runFor(world, 10_000_000);
  assert.deepEqual(world.server.stack.inspect().flows, []);
  assert.equal(listening.accepted.length, 0);
  assert.deepEqual(listening.events, ['listening']);
});

test('opening: a client that nobody answers gives up with a typed error', () => {
  const world = createWorld({ delayUs });
  listenOn(world, world.server, serverScript);
  world.server.driver.kill();
  const client = dialFrom(world, world.client, clientScript);
  assert.ok(runFor(world, 60_000_000, () => allClosed(client)));
  assert.ok(['timed-out', 'no-such-service', 'no-instance'].includes(reasonOf(client)), reasonOf(client));
  assertNoFlows(world);
});

test('opening: SYNs that arrive twice open one connection', () => {
  const world = createWorld({ delayUs, duplicate: 1 });
  for (const [from, to] of [
    ['client', 'router'],
    ['router', 'server'],
  ] as const)
    pathBetween(world.simulation.network, from, to)[0]!.options.duplicate = 1;
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  assert.ok(runFor(world, 20_000_000, () => allClosed(client)));
  assertIntact(client);
  runFor(world, 20_000_000);
  assert.equal(listening.accepted.length, 1);
  assertNoFlows(world);
});
