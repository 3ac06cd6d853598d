// The threat table, row by row: attackers who see nothing and send what they like under any address. Rows about migration
// (RSYN), failover, several flows and modules come with those features; rows about registration stand in their own file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Locator, randomBelow, randomBytes, randomId, seededRandom } from '../../src/core/base/index.ts';
import { appendSource, ControlFlag, createPacket, parsePacket } from '../../src/core/wire/index.ts';
import { makeLocator } from '../../src/sim/index.ts';
import { addAttacker, forgeControl, forgeSegment, forgeSyn, spoof, tapAll } from './attackers.ts';
import type { Endpoint } from './endpoint.ts';
import { flowOf, openFlow } from './live-flow.ts';
import { kindOf } from './packets.ts';
import {
  allClosed,
  assertIntact,
  createWorld,
  dialFrom,
  listenOn,
  runFor,
  scriptsFor,
  service,
  serviceOf,
  type World,
} from './world.ts';

const routerAt = makeLocator('10.0.0.254', 54_324);
const serverAt = makeLocator('10.0.0.2', 40_000);
const random = seededRandom(15);

function anywhere(): Locator {
  return { address: randomBytes(random, 4), port: 1 + randomBelow(random, 65_535) };
}

function someSyn(name = service): Uint8Array {
  return forgeSyn(name, randomId(random), randomId(random), randomBytes(random, 32));
}

/** What strangers can make the stacks of router and server hold. */
function held({ router, server }: World): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const { name, stack } of [router, server]) {
    const { flows, sockets, halfOpen, opened, provenAddresses, flowsByPeer, learned } = stack.state;
    for (const [what, size] of Object.entries({ flows, sockets, opened, provenAddresses, flowsByPeer, learned }))
      sizes[`${name} ${what}`] = size instanceof Map ? size.size : 'size' in size ? Number(size.size) : 0;
    sizes[`${name} halfOpen`] = halfOpen;
  }
  return sizes;
}

for (const [where, destination] of [
  ['the router', routerAt],
  ['the instance', serverAt],
] as const) {
  test(`threat: off-path spoofed SYN flood on ${where}: memory stays flat and honest clients get in`, () => {
    const world = createWorld({ delayUs: 1_000 }, 1, undefined, false);
    const attacker = addAttacker(world.simulation);
    const [clientScript, serverScript] = scriptsFor(100, 100);
    listenOn(world, world.server, serverScript);
    const clients: Endpoint[] = [];
    let early: Record<string, number> = {};
    // 50,000 a second, for half a second.
    for (let i = 0; i < 500; i++) {
      for (let j = 0; j < 50; j++)
        spoof(world.simulation, attacker, { source: anywhere(), destination, bytes: someSyn() });
      if (i % 5 === 0) clients.push(dialFrom(world, world.client, clientScript));
      runFor(world, 1_000);
      if (i === 100) early = held(world);
    }
    const late = held(world);
    for (const [what, size] of Object.entries(late)) {
      if (what.includes('halfOpen')) assert.ok(size <= 200, `${what}: ${size}`);
      assert.ok(size <= Math.max(400, 1.5 * (early[what] ?? 0)), `${what}: ${size}, before ${early[what]}`);
    }
    runFor(world, 5_000_000, () => allClosed(...clients));
    const served = clients.filter(({ reason, wrongAt }) => reason === 0 && wrongAt === -1);
    assert.ok(served.length >= 0.99 * clients.length, `${served.length} of ${clients.length}`);
    runFor(world, 60_000_000);
    assert.equal(world.server.stack.state.flows.size, 0);
  });
}

test('threat: off-path SYN reflection: a victim hears less than was sent in its name, three times that at most', () => {
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const victim = addAttacker(world.simulation, '198.51.100.1', 'victim');
  listenOn(world, world.server, scriptsFor(0, 0)[1]);
  let sent = 0;
  const strike = (destination: Locator, bytes: Uint8Array) => {
    sent += bytes.length;
    spoof(world.simulation, attacker, { source: victim.locator, destination, bytes });
  };
  const heard = () => victim.received.reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (let i = 0; i < 200; i++) strike(routerAt, someSyn(serviceOf('nobody')));
  runFor(world, 1_000_000);
  assert.ok(victim.received.length === 200 && heard() < 0.1 * sent, `${heard()} bytes for ${sent} of unresolved SYNs`);
  // Small ones: the same without padding.
  for (let i = 0; i < 200; i++) strike(routerAt, someSyn(serviceOf('nobody')).slice(0, 200));
  runFor(world, 60_000_000);
  assert.ok(heard() < sent);
  const before = { heard: heard(), sent };
  for (let i = 0; i < 100; i++) strike(serverAt, someSyn());
  runFor(world, 60_000_000);
  assert.ok(heard() - before.heard <= 3 * (sent - before.sent));
});

test('threat: off-path SYN reflection by a forged SOURCE: who is named there is answered three bytes for one at most', () => {
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const victim = addAttacker(world.simulation, '198.51.100.1', 'victim');
  listenOn(world, world.server, scriptsFor(0, 0)[1]);
  let sent = 0;
  for (const name of [service, serviceOf('nobody')]) {
    for (let i = 0; i < 50; i++) {
      const syn = someSyn(name);
      const packet = createPacket();
      parsePacket(new DataView(syn.buffer), 0, syn.length, packet);
      const bytes = new Uint8Array(1_200);
      const view = new DataView(syn.buffer);
      const length = appendSource(view, packet, 400, new DataView(bytes.buffer), 0, victim.locator, attacker.locator);
      sent += length;
      spoof(world.simulation, attacker, { source: routerAt, destination: serverAt, bytes: bytes.subarray(0, length) });
    }
  }
  runFor(world, 60_000_000);
  const heard = victim.received.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(heard > 0 && heard <= 3 * sent, `${heard} bytes for ${sent}`);
});

test('threat: a client opens in the name of a victim: nothing but a SYN-ACK goes there', () => {
  // The client of the attacker sends its SYN again under the victim's address, and answers the answer that it got itself.
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const victim = addAttacker(world.simulation, '198.51.100.1', 'victim');
  const [clientScript, serverScript] = scriptsFor(100, 4_000_000);
  listenOn(world, world.server, serverScript);
  tapAll(world.simulation, ['router>server', 'client>server'], (packet, path) => {
    if (path === 'client>server') return [{ ...packet, source: victim.locator }];
    if (kindOf(packet.bytes) !== 'SYN') return [packet];
    const again = packet.bytes.slice();
    // The first entry of SOURCE: port, flags, family, address.
    const view = new DataView(again.buffer);
    const parsed = createPacket();
    parsePacket(view, 0, again.length, parsed);
    view.setUint16(parsed.sourceOffset + 4, victim.locator.port);
    again.set(victim.locator.address, parsed.sourceOffset + 8);
    return [packet, { ...packet, bytes: again }];
  });
  const client = dialFrom(world, world.client, clientScript);
  runFor(world, 3_000_000);
  assert.ok(client.opened);
  const kinds = new Set(victim.received.map(({ bytes }) => kindOf(bytes)));
  const heard = victim.received.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(heard <= 3_300, `${heard} bytes: ${[...kinds]}`);
  assert.ok(attacker.received.length === 0);
});

test('threat: a connected client claims a victims address: it is asked, and never sent data', () => {
  const flow = openFlow({ delayUs: 5_000, bitsPerSecond: 20e6, queueBytes: 100_000 }, scriptsFor(100, 8_000_000));
  const { simulation } = flow.world;
  const victim = addAttacker(simulation, '198.51.100.1', 'victim');
  runFor(flow.world, 200_000);
  tapAll(simulation, ['client>server'], (packet) => [{ ...packet, source: victim.locator }]);
  runFor(flow.world, 2_000_000);
  assert.ok(victim.received.length > 0, 'the victim was asked');
  for (const { bytes } of victim.received) assert.ok(bytes.length <= 60, `${bytes.length} bytes`);
  assert.ok(victim.received.length <= 12, `${victim.received.length} questions`);
});

test('threat: off-path guesses of flowIDs: silence, and not a bit of state', () => {
  const flow = openFlow({ delayUs: 5_000 }, scriptsFor(100_000, 100_000, { endWhen: 'peer-ended' }));
  const { world, attacker } = flow;
  runFor(world, 2_000_000);
  const before = world.server.driver.counters.packetsSent;
  const guess = () => {
    const id = randomId(random);
    // Half of the guesses know the index of the flow, as whoever was connected once may.
    return randomBelow(random, 2) === 0 ? id : { hi: id.hi, lo: flow.serverSide.localFlow.lo };
  };
  for (let i = 0; i < 20_000; i++) {
    const nonce = randomId(random);
    const to = guess();
    const kind = randomBelow(random, 4);
    const flags = [ControlFlag.RST, ControlFlag.FIN, ControlFlag.FAIL, ControlFlag.SYN | ControlFlag.ACK][kind] ?? 0;
    const bytes =
      i % 3 === 0
        ? forgeSegment(to, { seq: randomBelow(random, 2 ** 32) }, randomBytes(random, 50))
        : forgeControl(to, { flags, nonce, from: randomId(random) });
    const source = i % 2 === 0 ? flow.serverSide.peer : attacker.locator;
    spoof(world.simulation, attacker, { source, destination: serverAt, bytes });
    if (i % 100 === 0) runFor(world, 100);
  }
  runFor(world, 1_000);
  assert.equal(world.server.driver.counters.packetsSent, before);
  assert.equal(attacker.received.length, 0);
  assert.ok(flowOf(world.server) === flow.serverSide && flow.serverSide.state === 'ESTABLISHED');
  assert.equal(world.server.stack.inspect().counters.dropped['unknown-flow'], 20_000);
});

test('threat: peer memory: one address holds so many connections and no more', () => {
  const world = createWorld({ delayUs: 1_000 });
  Object.assign(world.server.stack.state.limits, { flowsPerPeer: 4 });
  const [clientScript, serverScript] = scriptsFor(100, 100, { endWhen: 'peer-ended', keepAliveUs: 1_000_000 });
  const listening = listenOn(world, world.server, serverScript);
  const clients = Array.from({ length: 8 }, () => dialFrom(world, world.client, clientScript));
  runFor(world, 5_000_000);
  assert.equal(listening.accepted.length, 4);
  assert.equal(world.server.stack.state.flows.size, 4);
  const open = clients.filter(({ reason, receivedBytes }) => reason === undefined && receivedBytes === 100);
  assert.equal(open.length, 4);
});

test('threat: forged errors are not answered, neither by routers nor by instances', () => {
  const world = createWorld({ delayUs: 1_000 });
  const attacker = addAttacker(world.simulation);
  const [clientScript, serverScript] = scriptsFor(100, 100);
  const listening = listenOn(world, world.server, serverScript);
  const sent = () => world.router.driver.counters.packetsSent + world.server.driver.counters.packetsSent;
  // The first heartbeat is over, the next one far.
  runFor(world, 100_000);
  const before = sent();
  for (const destination of [routerAt, serverAt])
    for (const flags of [ControlFlag.FAIL, ControlFlag.RST, ControlFlag.FIN, ControlFlag.ACK, ControlFlag.RSYN])
      for (const to of [{ hi: 0, lo: 0 }, randomId(random)]) {
        const bytes = forgeControl(to, { flags, reason: 3, nonce: randomId(random), from: randomId(random) });
        spoof(world.simulation, attacker, { source: attacker.locator, destination, bytes });
      }
  runFor(world, 100_000);
  assert.equal(sent(), before);
  assert.equal(attacker.received.length, 0);
  const client = dialFrom(world, world.client, clientScript);
  assert.ok(runFor(world, 5_000_000, () => allClosed(client, ...listening.accepted)));
  assertIntact(client);
});
