// Two ends that have lost each other: both moved at once, a link went dead without a word, a NAT changed its mapping while
// the other end moved. They find each other by the router, and never believe to be where nothing goes between them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Locator } from '../../src/core/base/index.ts';
import { type Event, type Stack, tellListener } from '../../src/core/stack/index.ts';
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
import { kindOf } from './packets.ts';
import {
  assertIntact,
  assertNoFlows,
  createWorld,
  dialFrom,
  listenOn,
  reasonOf,
  runFor,
  scriptsFor,
  type World,
} from './world.ts';

const link: Partial<LinkOptions> = { delayUs: 10_000, bitsPerSecond: 20_000_000, queueBytes: 100_000 };
const second = { client: makeLocator('10.9.0.1', 40_001), server: makeLocator('10.9.0.2', 40_001) };

interface Session {
  readonly world: World;
  readonly client: Endpoint;
  readonly server: () => Endpoint;
}

/** Runs until data flows. */
function open(upBytes: number, downBytes: number): Session {
  const world = createWorld(link);
  const [clientScript, serverScript] = scriptsFor(upBytes, downBytes);
  const listening = listenOn(world, world.server, serverScript);
  const client = dialFrom(world, world.client, clientScript);
  runFor(world, 400_000);
  const server = (): Endpoint => {
    const [accepted] = listening.accepted;
    assert.ok(accepted);
    return accepted;
  };
  return { world, client, server };
}

function finish({ world, client, server }: Session, forUs: number): void {
  assert.ok(
    runFor(world, forUs, () => client.reason !== undefined && server().reason !== undefined),
    `client ${reasonOf(client)} ${client.receivedBytes}, server ${reasonOf(server())} ${server().receivedBytes}`,
  );
  assertIntact(client);
  assertIntact(server());
  assertNoFlows(world);
}

function moveTo(world: World, host: SimHost<Stack>, address: string | undefined): void {
  moveHost(world.simulation.network, host, address, 40_000);
}

function wayBetween({ simulation: { network } }: World, a: Locator, b: Locator, options: Partial<LinkOptions>): void {
  setWay(network, a, b, [addLink(network, { ...link, ...options })]);
  setWay(network, b, a, [addLink(network, { ...link, ...options })]);
}

/** A second link of the client or the server, and the flow's move there. */
function migrate({ world, client, server }: Session, who: 'client' | 'server'): void {
  const { driver } = world[who];
  linkHost(world.simulation.network, world[who], 1, second[who]);
  const { socket } = who === 'client' ? client : server();
  assert.equal(driver.handle({ kind: 'migrate', socket, link: 1 }), 1);
}

function linksOf({ stack }: SimHost<Stack>): number[] {
  return stack.inspect().flows.map((flow) => flow.link);
}

test('searching: both ends go to another link at once, and both stay there', () => {
  const session = open(4_000_000, 4_000_000);
  const { world } = session;
  migrate(session, 'client');
  migrate(session, 'server');
  runFor(world, 300_000);
  assert.deepEqual([linksOf(world.client), linksOf(world.server)], [[1], [1]]);
  finish(session, 30_000_000);
});

test('searching: what is acknowledged by way of the router alone is taken back', () => {
  const session = open(0, 3_000_000);
  const { world, client } = session;
  const { driver } = world.client;
  let outcome: string | undefined;
  const listener = driver.listeners.get(client.socket);
  driver.attach(client.socket, (event: Event) => {
    if (event.kind === 'migrated' || event.kind === 'migrate-failed') outcome ??= event.kind;
    if (listener !== undefined) tellListener(listener, event);
  });
  for (const address of ['10.0.0.2', '10.0.0.12'])
    wayBetween(world, second.client, makeLocator(address, 40_000), { up: false });
  migrate(session, 'client');
  moveTo(world, world.server, '10.0.0.12');
  // Both are told to the other end by the name that it has at the router.
  moveTo(world, world.client, '10.0.0.11');
  driver.handle({ kind: 'migrate', socket: client.socket, link: 1 });
  finish(session, 30_000_000);
  assert.equal(outcome, 'migrate-failed');
});

test('searching: link 0 loses its address while the peer knows another one: the flow goes on by that', () => {
  const session = open(0, 3_000_000);
  const { world } = session;
  migrate(session, 'client');
  runFor(world, 2_000);
  moveTo(world, world.client, '10.0.0.11');
  runFor(world, 2_000);
  moveTo(world, world.client, undefined);
  runFor(world, 100_000);
  moveTo(world, world.server, '10.0.0.12');
  finish(session, 10_000_000);
});

test('searching: a link that went dead without a word is left for the first one', () => {
  for (const [up, down] of [
    [0, 6_000_000],
    [6_000_000, 0],
  ] as const) {
    const session = open(up, down);
    const { world } = session;
    const near = makeLocator('10.0.0.2', 40_000);
    wayBetween(world, second.client, near, {});
    migrate(session, 'client');
    runFor(world, 300_000);
    assert.deepEqual(linksOf(world.client), [1]);
    wayBetween(world, second.client, near, { up: false });
    finish(session, 15_000_000);
  }
});

test('searching: while both look for each other, the router knows of no death', () => {
  for (const awayUs of [1_600_000, 1_900_000, 2_200_000]) {
    const session = open(0, 3_000_000);
    const { world } = session;
    moveTo(world, world.client, '10.0.0.11');
    moveTo(world, world.server, undefined);
    runFor(world, awayUs);
    moveTo(world, world.server, '10.0.0.12');
    finish(session, 15_000_000);
  }
});

test('searching: a NAT forgets the client while the server moves: the server finds it by its name', () => {
  for (const [up, down] of [
    [0, 3_000_000],
    [3_000_000, 0],
  ] as const) {
    const session = open(up, down);
    const { world } = session;
    rebind(world.simulation.network, world.client.station, [makeLocator('100.64.0.1', 7_000)]);
    moveTo(world, world.server, '10.0.0.12');
    finish(session, 15_000_000);
  }
});

test('searching: whoever has committed a move of the other end does not give it up on older words', () => {
  let [lost, found] = [0, 0];
  for (let awayUs = 1_800_000; awayUs < 2_700_000; awayUs += 10_000) {
    const { world, client } = open(0, 3_000_000);
    moveTo(world, world.server, undefined);
    runFor(world, awayUs);
    moveTo(world, world.server, '10.0.0.12');
    // The announcement is heard, and for a while nothing else.
    world.down.options.filter = ({ bytes }) => kindOf(bytes) === 'RSYN';
    runFor(world, 100_000);
    world.down.options.filter = undefined;
    runFor(world, 1_000_000);
    if (reasonOf(client) !== 'peer-lost') found++;
    else {
      lost++;
      assert.equal(world.client.stack.state.counters.moves, 0, `away for ${awayUs} us`);
    }
  }
  assert.ok(lost > 10 && found > 10, `${lost} were given up, ${found} came back in time`);
});
