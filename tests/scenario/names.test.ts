// Names over simulated networks: with a router (registration, leases, restart, prefixes, weights) and without one (found by
// multicast on the segment).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceBits } from '../../src/core/base/index.ts';
import { memberServiceId } from '../../src/core/security/index.ts';
import { createStack, type Event, Protocol, type Stack } from '../../src/core/stack/index.ts';
import { addHost, createSimulation, run, type SimHost, type Simulation } from '../../src/sim/index.ts';
import { playScript } from './endpoint.ts';
import {
  addMember,
  addRouter,
  allClosed,
  assertIntact,
  createWorld,
  dialFrom,
  type Listening,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  service,
} from './world.ts';

const [clientScript, serverScript] = scriptsFor(2_000, 2_000);
/** Three intervals of heartbeats. */
const silenceUs = 3_000_000;

function addStranger(simulation: Simulation, name: string, address: string, segment = 'lan'): SimHost<Stack> {
  return addHost(simulation, { name, address, segment, createStack });
}

test('names: without a router a service on the same segment is found, elsewhere it is not', () => {
  const simulation = createSimulation({ seed: 1 });
  const server = addStranger(simulation, 'server', '10.0.0.1');
  const near = addStranger(simulation, 'near', '10.0.0.2');
  const far = addStranger(simulation, 'far', '10.0.1.2', 'elsewhere');
  const accepted: Event[] = [];
  const socket = server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  server.driver.attach(socket, (event) => {
    accepted.push(event);
    if (event.kind === 'connection') playScript(server.driver, simulation.clock, event.connection, serverScript, true);
  });
  run(simulation, 1_000_000);
  const [found, lost] = [near, far].map(({ driver }) => {
    const dialled = driver.handle({ kind: 'connect', service, protocol: Protocol.TCP });
    return playScript(driver, simulation.clock, dialled, clientScript, false);
  });
  assert.equal(
    run(simulation, 60_000_000, () => allClosed(found, lost)),
    'condition',
  );
  assertIntact(found);
  assert.equal(reasonOf(lost), 'no-such-service');
  assert.deepEqual(
    accepted.map((event) => event.kind === 'listening' && event.registered),
    [false, false],
  );
});

test('names: a killed instance is gone after three heartbeats, and no dial fails after that', () => {
  const world = createWorld();
  const other = addMember(world.simulation, 'other', '10.0.0.3');
  listenOn(world, world.server, serverScript);
  listenOn(world, other, serverScript);
  runFor(world, 20_000_000);
  world.server.driver.kill();
  runFor(world, silenceUs);
  const { registrations } = world.router.stack.inspect();
  assert.equal(registrations.length, 1);
  for (let i = 0; i < 10; i++) {
    const startUs = world.simulation.clock.nowUs;
    const client = dialFrom(world, world.client, clientScript);
    assert.ok(runFor(world, 5_000_000, () => allClosed(client)));
    assertIntact(client);
    assert.ok(client.openedUs - startUs < 100_000, 'no dial waits for the dead instance');
  }
});

test('names: a router that restarts is registered with again, and flows under way never notice', () => {
  const world = createWorld({ delayUs: 10_000, bitsPerSecond: 10e6, queueBytes: 100_000 });
  const [up, down] = scriptsFor(8_000_000, 0);
  const listening = listenOn(world, world.server, down);
  const client = dialFrom(world, world.client, up);
  runFor(world, 1_000_000);
  world.router.driver.kill();
  runFor(world, 1_000_000);
  const router = addRouter(world.simulation);
  runFor(world, 5_000_000);
  assert.equal(router.stack.inspect().registrations.length, 1);
  assert.ok(runFor(world, 60_000_000, () => allClosed(client, ...listening.accepted)));
  assertIntact(client);
  assertIntact(listening.accepted[0]);
});

test('names: a prefix bound is reached by any member, the longest prefix first', () => {
  const world = createWorld();
  const other = addMember(world.simulation, 'other', '10.0.0.3');
  const heard: string[] = [];
  const bind = (host: SimHost<Stack>, member: number, bits: number) => {
    const { driver } = host;
    const socket = driver.handle({
      kind: 'listen',
      service: memberServiceId(service, member),
      bits,
      protocol: Protocol.TCP,
    });
    driver.attach(socket, (event) => {
      if (event.kind !== 'connection') return;
      heard.push(host.name);
      playScript(driver, world.simulation.clock, event.connection, serverScript, true);
    });
  };
  bind(world.server, 0, serviceBits);
  bind(other, 7, 256);
  runFor(world, 1_000_000);
  for (const member of [1, 7, 4_000_000_000]) {
    const client = dialFrom(world, world.client, clientScript, memberServiceId(service, member));
    assert.ok(runFor(world, 5_000_000, () => allClosed(client)));
    assertIntact(client);
  }
  assert.deepEqual(heard, ['server', 'other', 'server']);
});

test('names: weights split the dials, and a closed listener gets none', () => {
  const world = createWorld();
  const other = addMember(world.simulation, 'other', '10.0.0.3');
  const weights = [300, 100];
  const listening = [world.server, other].map(({ driver }, i): Listening => {
    const weight = weights[i] ?? 0;
    const socket = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP, weight });
    const entry: Listening = { socket, accepted: [], events: [], reason: undefined };
    driver.attach(socket, (event) => {
      if (event.kind === 'connection')
        entry.accepted.push(playScript(driver, world.simulation.clock, event.connection, serverScript, true));
    });
    return entry;
  });
  runFor(world, 1_000_000);
  const dialMany = (count: number) => {
    const clients = Array.from({ length: count }, () => dialFrom(world, world.client, clientScript));
    assert.ok(runFor(world, 10_000_000, () => allClosed(...clients)));
    for (const client of clients) assertIntact(client);
  };
  dialMany(1_000);
  const [heavy = 0, light = 0] = listening.map(({ accepted }) => accepted.length);
  assert.equal(heavy + light, 1_000);
  // Five standard deviations of a binomial distribution with p = 3/4.
  assert.ok(Math.abs(heavy - 750) < 70, `${heavy} and ${light}`);
  world.server.driver.handle({ kind: 'close', socket: listening[0]!.socket });
  dialMany(50);
  assert.equal(listening[0]?.accepted.length, heavy);
  assert.equal(listening[1]?.accepted.length, light + 50);
});
