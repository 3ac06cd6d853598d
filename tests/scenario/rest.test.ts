// Connections at rest (src/core/stack/rest.ts): two hosts that say nothing to each other for a while hold rows instead of
// records, nobody can tell from outside, and whatever comes finds the connection as it was.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason } from '../../src/core/base/index.ts';
import { type Event, Protocol, type SocketId, type Stack, type StreamOptions } from '../../src/core/stack/index.ts';
import type { LinkOptions, SimHost } from '../../src/sim/index.ts';
import { type Connection, flatten, flowOf } from './live-flow.ts';
import { createWorld, runFor, service, type World } from './world.ts';

const second = 1_000_000;

interface End {
  readonly host: SimHost<Stack>;
  readonly socket: SocketId;
  receivedBytes: number;
  readonly events: string[];
  reason: Reason | undefined;
}

interface Pair {
  readonly world: World;
  readonly clients: End[];
  readonly servers: End[];
}

/** Connections that both ends leave open and read from. */
function open(link: Partial<LinkOptions> = {}, count = 1, options: StreamOptions = {}): Pair {
  const world = createWorld(link, 1, undefined, false);
  const pair: Pair = { world, clients: [], servers: [] };
  const stream = { keepAliveUs: 0, ...options };
  const { driver } = world.server;
  const listener = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP, stream });
  let listening = false;
  driver.attach(listener, (event) => {
    listening ||= event.kind === 'listening';
    if (event.kind === 'connection') pair.servers.push(hold(world.server, event.connection));
  });
  assert.ok(runFor(world, second, () => listening));
  for (let i = 0; i < count; i++) {
    const socket = world.client.driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, stream });
    pair.clients.push(hold(world.client, socket));
  }
  assert.ok(runFor(world, 5 * second, () => pair.servers.length === count));
  return pair;
}

function hold(host: SimHost<Stack>, socket: SocketId): End {
  const end: End = { host, socket, receivedBytes: 0, events: [], reason: undefined };
  host.driver.attach(socket, (event: Event) => {
    if (event.kind === 'data') end.receivedBytes += event.bytes.length;
    else end.events.push(event.kind);
    if (event.kind === 'closed') end.reason = event.reason;
  });
  host.driver.handle({ kind: 'read', socket, bytes: 1e9 });
  return end;
}

/** In pieces, as the send buffer takes them. */
function send(world: World, { host, socket }: End, bytes: number): void {
  for (let sent = 0; sent < bytes; runFor(world, 1_000))
    sent += host.driver.handle({ kind: 'write', socket, bytes: new Uint8Array(bytes - sent), offset: 0 });
}

function restingOf({ stack }: SimHost<Stack>): number {
  return stack.state.flows.values.filter((flow) => flow?.kind === 'resting').length;
}

function allRest({ world, clients }: Pair): boolean {
  return restingOf(world.client) === clients.length && restingOf(world.server) === clients.length;
}

/** What BBR keeps, as far as it matters here. */
interface Model {
  readonly bw: number;
  readonly phase: string;
  readonly rate: { readonly flights: { readonly entries: Float64Array } };
}

function modelOf(connection: Connection | undefined): Model {
  return connection?.tcb?.congestion as unknown as Model;
}

/** Whatever concerns it wakes it; this does nothing else. */
function wake({ host, socket }: End): Connection {
  host.driver.handle({ kind: 'options', socket, stream: {} });
  const connection = flowOf(host);
  assert.ok(connection);
  return connection;
}

test('rest: a connection on which nothing happens rests after a second, and is what it was when it wakes', () => {
  const pair = open({ delayUs: 10_000 });
  const { world, clients, servers } = pair;
  const [client, server] = [clients[0] as End, servers[0] as End];
  const hosts = [world.client, world.server];
  send(world, server, 10);
  runFor(world, 60 * second);
  assert.ok(runFor(world, 90 * second, () => allRest(pair)));
  wake(client);
  wake(server);
  runFor(world, 1_000);
  const before = hosts.map((host) => flatten(flowOf(host) as Connection));
  const seen = hosts.map(({ stack }) => JSON.stringify(stack.inspect().flows));
  assert.ok(
    runFor(world, 2 * second, () => allRest(pair)),
    'it rests again if nothing comes of it',
  );
  assert.deepEqual(
    hosts.map(({ stack }) => JSON.stringify(stack.inspect().flows)),
    seen,
    'nobody can tell',
  );
  assert.ok(allRest(pair), 'who looks does not wake it');
  const after = [client, server].map((end) => flatten(wake(end)));
  for (const [i, each] of before.entries())
    assert.deepEqual(
      [...each].filter(([name, value]) => !Object.is(value, after[i]?.get(name)) && name !== 'ready'),
      [],
    );
});

test('rest: what BBR knows of the path is kept, what it remembers of batches under way is not', () => {
  const pair = open({ delayUs: 10_000, bitsPerSecond: 20e6, queueBytes: 50_000 }, 1, { congestion: 'bbr' });
  const { world, clients, servers } = pair;
  send(world, servers[0] as End, 3_000_000);
  const known = modelOf(flowOf(world.server));
  assert.ok(known.rate.flights.entries.length > 0);
  assert.ok(runFor(world, 90 * second, () => allRest(pair)));
  const woken = modelOf(wake(servers[0] as End));
  assert.equal(woken.rate.flights.entries.length, 0);
  assert.ok(woken.bw > 2 && woken.bw === known.bw && woken.phase === known.phase, `${woken.bw} of ${known.bw}`);
  send(world, servers[0] as End, 3_000_000);
  assert.ok(runFor(world, 3 * second, () => clients[0]?.receivedBytes === 6_000_000));
});

test('rest: it goes on with data from either side, and ends in order', () => {
  const pair = open({ delayUs: 5_000, loss: 0.02 });
  const { world, clients, servers } = pair;
  const [client, server] = [clients[0] as End, servers[0] as End];
  assert.ok(runFor(world, 60 * second, () => allRest(pair)));
  for (let i = 1; i <= 4; i++) {
    send(world, i % 2 === 0 ? client : server, 300_000);
    assert.ok(
      runFor(world, 90 * second, () => allRest(pair)),
      `it rests again, ${i}`,
    );
    for (const { stack } of [world.client, world.server]) {
      assert.equal(stack.state.blocks.lent, 0);
      assert.equal(stack.state.rest.rows.rows, 1);
    }
  }
  assert.deepEqual([client.receivedBytes, server.receivedBytes], [600_000, 600_000]);
  client.host.driver.handle({ kind: 'end', socket: client.socket });
  assert.ok(runFor(world, 30 * second, () => server.events.includes('end')));
  server.host.driver.handle({ kind: 'end', socket: server.socket });
  assert.ok(runFor(world, 30 * second, () => client.reason !== undefined && server.reason !== undefined));
  assert.deepEqual([client.reason, server.reason], [Reason.OK, Reason.OK]);
  assert.equal(world.client.stack.state.rest.rows.rows + world.server.stack.state.rest.rows.rows, 0);
});

test('rest: keep-alive finds out that the peer of a resting connection is gone', () => {
  const pair = open({}, 1, { keepAliveUs: 5 * second });
  const { world, clients, servers } = pair;
  assert.ok(runFor(world, 4 * second, () => allRest(pair)));
  runFor(world, 60 * second);
  assert.deepEqual([clients[0]?.reason, servers[0]?.reason], [undefined, undefined], 'it is there');
  Object.assign(world.up.options, { loss: 1 });
  Object.assign(world.down.options, { loss: 1 });
  assert.ok(runFor(world, 30 * second, () => clients[0]?.reason !== undefined && servers[0]?.reason !== undefined));
  assert.deepEqual([clients[0]?.reason, servers[0]?.reason], [Reason.TIMED_OUT, Reason.TIMED_OUT]);
});

test('rest: while it lasts a host has no deadline', () => {
  const pair = open();
  assert.ok(runFor(pair.world, 3 * second, () => allRest(pair)));
  for (const { stack } of [pair.world.client, pair.world.server])
    assert.deepEqual([...stack.state.timers.deadlines].filter(Number.isFinite), []);
});

test('rest: connections that rest are rows of 192 bytes and less, and have nothing else', () => {
  const count = 2_000;
  const pair = open({ delayUs: 1_000 }, count);
  assert.ok(runFor(pair.world, 20 * second, () => allRest(pair)));
  for (const { stack } of [pair.world.client, pair.world.server]) {
    const { flows, rest } = stack.state;
    const bytes = rest.rows.pages.reduce((sum, page) => sum + (page?.bytes.length ?? 0), 0);
    assert.ok(bytes / count <= 230, `${bytes / count} bytes a row`);
    const others = flows.values.reduce((sum, flow) => sum + (flow?.kind === 'resting' ? flow.others.length : 0), 0);
    assert.ok(others / count <= 2.1, `${others / count} objects a connection`);
  }
});
