// The threat table, row by row: attackers on the path, hostile routers and hostile peers. What a router or a relay may do
// is deny; it never speaks for an instance, and a connection goes back to the straight path by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, type ServiceId, sameLocator, seededRandom } from '../../src/core/base/index.ts';
import type { Identity } from '../../src/core/security/index.ts';
import { createStack, Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import { ControlFlag } from '../../src/core/wire/index.ts';
import { addHost, joinHosts, type Packet, type SimHost } from '../../src/sim/index.ts';
import { assertHarmless, createArena, isWhole, tryOnce } from './arena.ts';
import { flipBit, forgeControl, placeAttacker, spoof, spoofLater, tapAll } from './attackers.ts';
import { type Endpoint, playScript, streamBytes } from './endpoint.ts';
import { identityOf, keyedService } from './keyed.ts';
import { isOver, openFlow } from './live-flow.ts';
import { kindOf, sentOf } from './packets.ts';
import {
  addMember,
  allClosed,
  assertIntact,
  createWorld,
  dialFrom,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  type World,
} from './world.ts';

const delayUs = 10_000;

/** A service whose name is its key, and another that would like to be it. */
const right = keyedService(1);
const wrong = keyedService(2);

/** Listens under a name with a key; answers how many connections came. */
function listenAs(
  world: World,
  host: SimHost<Stack>,
  service: ServiceId,
  identity: Identity,
  down: number,
): Endpoint[] {
  const accepted: Endpoint[] = [];
  const { driver } = host;
  const [, script] = scriptsFor(100, down);
  const security = { identity };
  const socket: SocketId = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP, security });
  driver.attach(socket, (event) => {
    if (event.kind === 'connection')
      accepted.push(playScript(driver, world.simulation.clock, event.connection, script, true));
  });
  runFor(world, 1_000_000);
  return accepted;
}

test('threat: compromised router sends clients to an impostor: refused before a byte, with the key that was expected', () => {
  const world = createWorld({ delayUs });
  // It asks no router: the registration of this name would be refused to it.
  const options = { adHoc: false };
  const impostor = addHost(world.simulation, { name: 'impostor', address: '10.0.0.66', options, createStack });
  joinHosts(world.simulation, world.client, impostor, { delayUs });
  const served = listenAs(world, impostor, right.id, identityOf(wrong), 100);
  const accepted = listenAs(world, world.server, right.id, identityOf(right), 100);
  let misrouted = 0;
  const [impostorAt] = impostor.station.locals;
  const misroute = (most: number) =>
    tapAll(world.simulation, ['router>server', 'router>impostor'], (packet) => {
      if (kindOf(packet.bytes) !== 'SYN' || ++misrouted > most) return [{ ...packet, destination: serverAt }];
      return [{ ...packet, destination: impostorAt! }];
    });
  const serverAt = world.server.station.locals[0]!;
  misroute(Infinity);
  const startUs = world.simulation.clock.nowUs;
  const refused = dialFrom(world, world.client, scriptsFor(100, 100)[0], right.id);
  assert.ok(runFor(world, 10_000_000, () => allClosed(refused)));
  assert.equal(reasonOf(refused), 'untrusted');
  assert.match(refused.detail, /^expected the key svc:/);
  assert.ok(refused.closedUs - startUs <= 3 * (2 * delayUs + 2_000), 'three attempts, each one round trip');
  runFor(world, 60_000_000);
  assert.deepEqual([served.length, accepted.length], [0, 0]);
  // It recovers as soon as one of three attempts is led to the right one.
  misrouted = 0;
  misroute(2);
  const again = dialFrom(world, world.client, scriptsFor(100, 100)[0], right.id);
  const againUs = world.simulation.clock.nowUs;
  assert.ok(runFor(world, 10_000_000, () => allClosed(again)));
  assertIntact(again);
  assert.ok(again.openedUs - againUs <= 3 * (2 * delayUs + 2_000));
  assert.equal(accepted.length, 1);
});

test('threat: compromised router mis-routes to hosts that do not serve the name: one round trip each, then recovery', () => {
  for (const right of [0, 1, 2, Infinity]) {
    const world = createWorld({ delayUs });
    const bystander = addMember(world.simulation, 'bystander', '10.0.0.67');
    joinHosts(world.simulation, world.client, bystander, { delayUs });
    listenOn(world, world.server, scriptsFor(100, 100)[1]);
    let count = 0;
    tapAll(world.simulation, ['router>server'], (packet) => {
      const misrouted = kindOf(packet.bytes) === 'SYN' && count++ < right;
      return [misrouted ? { ...packet, destination: bystander.station.locals[0]! } : packet];
    });
    const startUs = world.simulation.clock.nowUs;
    const client = dialFrom(world, world.client, scriptsFor(100, 100)[0]);
    assert.ok(runFor(world, 10_000_000, () => allClosed(client)));
    const roundTrips = ((right === Infinity ? client.closedUs : client.openedUs) - startUs) / (2 * delayUs + 2_000);
    if (right === Infinity) assert.equal(reasonOf(client), 'refused');
    else assertIntact(client);
    assert.ok(roundTrips <= Math.min(3, right + 1), `${right} misrouted: ${roundTrips} round trips`);
  }
});

test('threat: hostile router swaps what two clients sent: nobody gets bytes of the other', () => {
  const world = createWorld({ delayUs });
  const second = addMember(world.simulation, 'second', '10.0.0.3');
  joinHosts(world.simulation, second, world.server, { delayUs });
  const listening = listenOn(world, world.server, scriptsFor(5_000, 5_000)[1]);
  let held: Packet | undefined;
  let swapped = 0;
  tapAll(world.simulation, ['router>server'], (packet) => {
    if (kindOf(packet.bytes) !== 'SYN' || swapped >= 2) return [packet];
    if (held === undefined) {
      held = packet;
      return [];
    }
    // Each with the way that the other one took; SOURCE is the last extension.
    const [a, b] = [held, packet].map(({ bytes }) => bytes.slice()) as [Uint8Array, Uint8Array];
    const at = (bytes: Uint8Array) => (bytes[1] ?? 0) * 4 - 44;
    const way = a.slice(at(a), at(a) + 44);
    a.set(b.subarray(at(b), at(b) + 44), at(a));
    b.set(way, at(b));
    swapped += 2;
    return [
      { ...held, bytes: a },
      { ...packet, bytes: b },
    ];
  });
  const clients = [world.client, second].map((host) => dialFrom(world, host, scriptsFor(5_000, 5_000)[0]));
  assert.ok(runFor(world, 60_000_000, () => allClosed(...clients)));
  assert.equal(swapped, 2);
  for (const client of clients) assertIntact(client);
  assert.equal(listening.accepted.length, 2);
});

test('threat: forged FAIL storm by a router that knows flow and nonce: hints, at most one question a second', () => {
  const scripts = scriptsFor(1_000, 1_000, { endWhen: 'peer-ended', keepAliveUs: 60_000_000 });
  const flow = openFlow({ delayUs }, scripts);
  const { world, attacker, clientSide, serverSide } = flow;
  runFor(world, 2_000_000);
  const before = world.client.driver.counters.packetsSent;
  for (let i = 0; i < 10_000; i++) {
    const flags = i % 2 === 0 ? ControlFlag.FAIL : ControlFlag.RST;
    const forged = { flags, reason: i % 23, nonce: clientSide.localNonce, from: clientSide.remoteFlow };
    const bytes = forgeControl(clientSide.localFlow, forged);
    const [destination] = world.client.station.locals;
    spoof(world.simulation, attacker, { source: world.router.station.locals[0]!, destination: destination!, bytes });
    runFor(world, 500);
  }
  assert.ok(world.client.driver.counters.packetsSent - before <= 12);
  assert.deepEqual([clientSide.state, serverSide.state], ['ESTABLISHED', 'ESTABLISHED']);
  for (const socket of [clientSide.socket]) world.client.driver.handle({ kind: 'end', socket });
  assert.ok(runFor(world, 10_000_000, () => isOver(flow)));
});

test('threat: on-path attacker forwards copies from an address of its own: the flow goes on and comes back', () => {
  const bytes = 10_000_000;
  const flow = openFlow({ delayUs: 5_000, bitsPerSecond: 20e6, queueBytes: 100_000 }, scriptsFor(bytes, bytes));
  const { world, attacker, clientSide, serverSide } = flow;
  const { simulation, client, server } = world;
  for (const host of ['client', 'server'])
    placeAttacker(simulation, attacker, host, { delayUs: 0, bitsPerSecond: 20e6, queueBytes: 100_000 });
  const [clientAt, serverAt] = [client.station.locals[0]!, server.station.locals[0]!];
  const isStraight = () => sameLocator(serverSide.peer, clientAt) && sameLocator(clientSide.peer, serverAt);
  tapAll(simulation, ['client>server'], (packet) => {
    spoof(simulation, attacker, { ...packet, source: attacker.locator });
    return [packet];
  });
  attacker.station.receive = ({ source, bytes }) => {
    const destination = sameLocator(source, serverAt) ? clientAt : serverAt;
    spoof(simulation, attacker, { source: attacker.locator, destination, bytes });
  };
  assert.ok(
    runFor(world, 1_000_000, () => !isStraight()),
    'the copies came first',
  );
  assert.ok(runFor(world, 1_000_000, isStraight), 'the flow goes back while the copies go on');
  assert.ok(runFor(world, 2_000_000, () => sameLocator(serverSide.peer, attacker.locator)));
  tapAll(simulation, ['client>server'], undefined);
  attacker.station.receive = () => {};
  assert.ok(runFor(world, 3_000_000, isStraight), 'and when they end');
  assert.ok(runFor(world, 60_000_000, () => isOver(flow)));
  assertIntact(flow.client);
  assertIntact(flow.listening.accepted[0]);
});

test('threat: on-path attacker does anything with anything: right bytes or a typed error, and mostly right bytes', () => {
  let whole = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const arena = createArena(100_000, seed % 2 === 0, seed);
    const { simulation } = arena.world;
    const random = seededRandom(seed);
    const old: Packet[] = [];
    const trial = tryOnce(arena, ({ packet }) => {
      old.push(packet);
      const dice = randomBelow(random, 100);
      const later = (one: Packet) => spoofLater(simulation, arena.attacker, one, randomBelow(random, 300_000));
      if (dice < 2) return [];
      if (dice < 4) return [flipBit(packet, randomBelow(random, packet.bytes.length * 8))];
      if (dice < 6) return [{ ...packet, source: arena.attacker.locator }];
      if (dice < 8) later(packet);
      if (dice < 7) return [];
      if (dice < 12) later(old[randomBelow(random, old.length)]!);
      if (dice < 14) return [packet, flipBit(old[randomBelow(random, old.length)]!, randomBelow(random, 600))];
      return [packet];
    });
    assertHarmless(arena, trial, `seed ${seed}`);
    if (isWhole(trial)) whole++;
  }
  assert.ok(whole >= 9, `${whole} of 12 transfers`);
});

function startOf(salt: number): Uint8Array {
  return streamBytes(salt, 0, 32);
}

test('threat: on-path observer of a transfer sees no plaintext, and no name after the SYN', () => {
  const world = createWorld({ delayUs });
  const identity = identityOf(right);
  const accepted = listenAs(world, world.server, right.id, identity, 20_000);
  const seen: Packet[] = [];
  tapAll(world.simulation, ['client>server', 'server>client'], (packet) => {
    seen.push(packet);
    return [packet];
  });
  const [script] = scriptsFor(20_000, 100);
  const client = dialFrom(world, world.client, script, right.id);
  assert.ok(runFor(world, 10_000_000, () => allClosed(client, ...accepted)));
  const wire = Buffer.concat(seen.map(({ bytes }) => bytes));
  assert.ok(wire.length > 20_000);
  // What the ends sent each other: streams 1 and 2.
  for (const secret of [right.id, identity.staticKey, identity.credential.subarray(0, 48), ...[1, 2].map(startOf)])
    assert.equal(wire.indexOf(Buffer.from(secret)), -1);
  assert.ok(
    sentOf(world.simulation.trace.records, 'SYN', 'client').some(({ bytes }) =>
      Buffer.from(bytes).includes(Buffer.from(right.id)),
    ),
  );
});
