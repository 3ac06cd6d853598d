// What a peer with keys of its own, or a crowd of strangers, can make a stack hold (docs/limits.md): each attack goes on for
// minutes of virtual time, and what the stack holds stays flat. What it does at a limit is counted or has a typed reason.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes, randomId, reasonName, seededRandom } from '../../src/core/base/index.ts';
import { type Event, type Limits, Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import { createSimulation, joinHosts, type SimHost } from '../../src/sim/index.ts';
import { forgeSyn } from './attackers.ts';
import { connectionsOf, isOver, openFlow } from './live-flow.ts';
import { mangleAcks } from './mangle.ts';
import { addMember, addRouter, reasonOf, runFor, scriptsFor, service, type World } from './world.ts';

const mebibyte = 1_048_576;
const link = { delayUs: 5_000, bitsPerSecond: 200e6, queueBytes: mebibyte };

/** A client and a server whose limits are the test's. */
function limitedWorld(limits: Partial<Limits>): World {
  const simulation = createSimulation({ seed: 1, keepTrace: false });
  const router = addRouter(simulation);
  const client = addMember(simulation, 'client', '10.0.0.1');
  const server = addMember(simulation, 'server', '10.0.0.2', undefined, undefined, { limits });
  const [up, down] = joinHosts(simulation, client, server, link);
  return { simulation, client, server, router, up, down };
}

interface Accepted {
  readonly socket: SocketId;
  readonly events: Event[];
}

/** A listener whose application only writes down what it is told. */
function listen(world: World, onAccept: (accepted: Accepted) => void = () => {}): Accepted[] {
  const { driver } = world.server;
  const all: Accepted[] = [];
  const socket = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  driver.attach(socket, (event) => {
    if (event.kind !== 'connection') return;
    const accepted: Accepted = { socket: event.connection, events: [] };
    all.push(accepted);
    driver.attach(event.connection, (each) => void accepted.events.push(each));
    onAccept(accepted);
  });
  runFor(world, 1_000_000);
  return all;
}

/** Dials and runs until it is open, or refused. */
function dial(world: World): Accepted {
  const { driver } = world.client;
  const socket = driver.handle({ kind: 'connect', service, protocol: Protocol.TCP, timeoutUs: 2_000_000 });
  const dialled: Accepted = { socket, events: [] };
  driver.attach(socket, (event) => void dialled.events.push(event));
  runFor(world, 3_000_000, () => dialled.events.some(({ kind }) => kind === 'connected' || kind === 'closed'));
  return dialled;
}

function send({ driver }: SimHost<Stack>, socket: SocketId, bytes: Uint8Array): number {
  return driver.handle({ kind: 'write', socket, bytes, offset: 0 });
}

function closedBy({ events }: Accepted): string | undefined {
  const closed = events.find((event) => event.kind === 'closed');
  return closed?.kind === 'closed' ? reasonName(closed.reason) : undefined;
}

function dropped({ stack }: SimHost<Stack>, reason: string): number {
  return stack.inspect().counters.dropped[reason] ?? 0;
}

test('hostile peer: who acknowledges what was withheld from it is reset, and both ends know why', () => {
  const flow = openFlow({ ...link, delayUs: 20_000 }, scriptsFor(100, 40_000_000));
  mangleAcks(flow, () => {
    const { tcb } = flow.serverSide;
    return tcb === undefined ? [] : [(tcb.iss + 1 + tcb.scoreboard.end) >>> 0];
  });
  runFor(flow.world, 60_000_000, () => isOver(flow));
  assert.deepEqual([reasonOf(flow.listening.accepted[0]), reasonOf(flow.client)], ['misbehaving', 'misbehaving']);
  const sent = flow.listening.accepted[0]?.sentBytes ?? 0;
  assert.ok(sent < 16 * mebibyte, `${sent} bytes before it was found out`);
  runFor(flow.world, 10_000_000);
  assert.equal(flow.world.server.stack.state.blocks.lent, 0);
});

test('hostile peer: records of a single byte for an application that does not read weigh little more than their bytes', () => {
  const world = limitedWorld({});
  const [accepted] = [listen(world)];
  const client = dial(world);
  const byte = Uint8Array.of(7);
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 200 && send(world.client, client.socket, byte) === 1; i++);
    runFor(world, 50_000);
  }
  const connection = world.server.stack.state.sockets.get(accepted[0]!.socket);
  assert.ok(connection?.kind === 'connection');
  const { unread, unreadBytes } = connection;
  assert.ok(unreadBytes > 20_000, `${unreadBytes} bytes arrived`);
  assert.ok(unread.length <= 64 + unreadBytes / 1024, `${unread.length} pieces for ${unreadBytes} bytes`);
  assert.equal(world.server.stack.state.blocks.elsewhereBytes, unreadBytes);
  world.server.driver.handle({ kind: 'read', socket: accepted[0]!.socket, bytes: 1e9 });
  runFor(world, 1_000_000);
  const read = accepted[0]!.events.reduce((sum, event) => sum + (event.kind === 'data' ? event.bytes.length : 0), 0);
  assert.ok(read >= unreadBytes);
  assert.ok(accepted[0]!.events.every((event) => event.kind !== 'data' || event.bytes.every((each) => each === 7)));
  assert.equal(world.server.stack.state.blocks.elsewhereBytes, 0);
});

/** Clients that never read, for each of which the server has much to say: the send buffers fill the stack's memory. */
function hogs(world: World, count: number, firstBytes = mebibyte): Accepted[] {
  const bytes = new Uint8Array(firstBytes);
  const accepted = listen(world, ({ socket }) => {
    send(world.server, socket, bytes);
  });
  for (let i = 0; i < count; i++) dial(world);
  runFor(world, 100_000);
  return accepted;
}

test('hostile peer: those that keep their windows shut are ended after a minute once memory is short, and writers go on', () => {
  const world = limitedWorld({ bufferBytes: 8 * mebibyte });
  const accepted = hogs(world, 40);
  const { state } = world.server.stack;
  const refill = () => {
    for (const { socket } of accepted) send(world.server, socket, new Uint8Array(256 * 1024));
  };
  for (let i = 0; i < 50; i++) {
    refill();
    runFor(world, 1_000_000);
    assert.ok(state.blocks.lent * 16_384 <= 9 * mebibyte, `${state.blocks.lent} blocks`);
  }
  assert.ok(state.blocks.lent * 16_384 > 7 * mebibyte, 'memory is short');
  assert.ok(accepted.every((each) => closedBy(each) === undefined));
  // A connection that comes now has to wait for memory, and gets it.
  const late = dial(world);
  runFor(world, 100_000);
  const [last] = accepted.slice(-1);
  world.client.driver.handle({ kind: 'read', socket: late.socket, bytes: 1e9 });
  assert.equal(send(world.server, last!.socket, new Uint8Array(100_000)), 0);
  runFor(world, 60_000_000);
  const ended = accepted.filter((each) => closedBy(each) === 'timed-out').length;
  assert.ok(ended >= 3 && ended < 40, `${ended} ended`);
  assert.equal(closedBy(last!), undefined);
  assert.ok(last!.events.some(({ kind }) => kind === 'writable'));
  assert.equal(send(world.server, last!.socket, new Uint8Array(100_000)), 100_000);
  runFor(world, 1_000_000);
  assert.ok(late.events.some(({ kind }) => kind === 'data'));
});

test('hostile peer: with memory to spare a shut window costs what is lent, and ends the connection when that was asked for', () => {
  const world = limitedWorld({ stallUs: 300_000_000 });
  const [hog] = hogs(world, 1, 100_000);
  const { state } = world.server.stack;
  runFor(world, 1_000_000);
  assert.ok(send(world.server, hog!.socket, new Uint8Array(mebibyte)) > 100_000);
  runFor(world, 9_000_000);
  const lent = state.blocks.lent;
  runFor(world, 280_000_000);
  assert.equal(state.blocks.lent, lent, 'flat');
  // What stands before the shut window is not taken for forged.
  const holding = connectionsOf(world.client)[0];
  assert.equal(holding?.tcb?.counters.rejectedBytes, 0);
  assert.equal(closedBy(hog!), undefined);
  runFor(world, 20_000_000);
  assert.equal(closedBy(hog!), 'timed-out');
  runFor(world, 10_000_000);
  assert.deepEqual([state.blocks.lent, state.flows.size], [0, 0]);
});

test('hostile peer: one that opens and closes without end is bounded by its share of the flows, which comes back', () => {
  const world = limitedWorld({ flowsPerPeer: 8 });
  const accepted = listen(world);
  const { state } = world.server.stack;
  for (let i = 0; i < 200; i++) {
    const { socket } = dial(world);
    const { driver } = world.client;
    driver.handle(i % 2 === 0 ? { kind: 'abort', socket } : { kind: 'end', socket });
    assert.ok(state.flows.size <= 9, `${state.flows.size} flows`);
    assert.ok((state.flowsByPeer.get('10.0.0.1:0') ?? 0) <= 8);
  }
  assert.ok(dropped(world.server, 'limit') > 0);
  for (const { socket } of accepted) world.server.driver.handle({ kind: 'abort', socket });
  runFor(world, 60_000_000);
  assert.deepEqual([state.flows.size, state.flowsByPeer.size, state.halfOpen], [0, 0, 0]);
  assert.equal(dial(world).events[0]?.kind, 'connected');
});

test("hostile peer: a connection that is over counts as its peer's until the application has read what came", () => {
  const world = limitedWorld({ flowsPerPeer: 3 });
  const accepted = listen(world, ({ socket }) => void world.server.driver.handle({ kind: 'end', socket }));
  const { state } = world.server.stack;
  const { driver } = world.client;
  for (let i = 0; i < 10; i++) {
    const { socket } = dial(world);
    send(world.client, socket, new Uint8Array(10_000));
    driver.handle({ kind: 'end', socket });
    runFor(world, 10_000_000);
  }
  assert.equal(accepted.length, 3);
  assert.deepEqual([state.flows.size, state.flowsByPeer.get('10.0.0.1:0')], [0, 3]);
  world.server.driver.handle({ kind: 'read', socket: accepted[0]!.socket, bytes: 1e6 });
  runFor(world, 10_000_000);
  assert.equal(closedBy(accepted[0]!), 'ok');
  assert.equal(state.flowsByPeer.get('10.0.0.1:0'), 2);
  assert.equal(dial(world).events[0]?.kind, 'connected');
});

/** Inputs without a single poll, as while the link is blocked. */
function give(world: World, bytes: Uint8Array): void {
  const { stack } = world.server;
  const remote = world.client.station.locals[0]!;
  stack.handle(world.simulation.clock.nowUs, { kind: 'packets', buffer: bytes, bytes: bytes.length, remote });
}

test('strangers: while the link is blocked a thousand answers wait for it, the rest is dropped and counted', () => {
  const world = limitedWorld({});
  listen(world);
  const random = seededRandom(5);
  for (let i = 0; i < 20_000; i++)
    give(world, forgeSyn(service, randomId(random), randomId(random), randomBytes(random, 32)));
  const { state } = world.server.stack;
  assert.ok(state.outbox.count <= 1024);
  assert.ok(state.halfOpen <= 128);
  assert.ok(dropped(world.server, 'queue-full') > 15_000, 'counted');
});

test('strangers: a SYN that carries more than a segment is not kept', () => {
  const world = limitedWorld({});
  listen(world);
  const random = seededRandom(5);
  const syn = forgeSyn(service, randomId(random), randomId(random), randomBytes(random, 32));
  const large = new Uint8Array(60_000);
  large.set(syn);
  new DataView(large.buffer).setUint16(4, large.length);
  give(world, large);
  assert.equal(world.server.stack.state.halfOpen, 0);
});

test('strangers: datagrams for an application that does not keep up wait in 4 MiB, the rest is dropped and counted', () => {
  const world = limitedWorld({});
  const { driver, stack } = world.server;
  const socket = driver.handle({ kind: 'datagram-socket', service, bits: 256 });
  let told = 0;
  driver.attach(socket, (event) => {
    if (event.kind === 'datagram') told++;
  });
  const sender = world.client.driver.handle({ kind: 'datagram-socket' });
  runFor(world, 1_000_000);
  world.client.driver.handle({ kind: 'datagram', socket: sender, bytes: new Uint8Array(100), to: service });
  let datagram: Uint8Array | undefined;
  const { outbox } = world.client.stack.state;
  datagram = outbox.items[outbox.head + outbox.count - 1]?.bytes;
  assert.ok(datagram !== undefined);
  for (let i = 0; i < 20_000; i++) give(world, datagram);
  const { events } = stack.state;
  assert.ok(events.count <= (4 * mebibyte) / 612 + 1, `${events.count} events`);
  assert.ok(dropped(world.server, 'queue-full') > 10_000);
  runFor(world, 1_000_000);
  assert.ok(told > 6_000);
  const before = told;
  const remote = world.client.station.locals[0]!;
  driver.handle({ kind: 'packets', buffer: datagram, bytes: datagram.length, remote });
  runFor(world, 1_000_000);
  assert.equal(told, before + 1, 'there is room again');
});

test('hostile peer: a stream whose records do not go on from each other is not asked for again and again for ever', () => {
  const flow = openFlow(link, scriptsFor(mebibyte, mebibyte));
  flow.clientSide.writer!.next++;
  assert.ok(runFor(flow.world, 60_000_000, () => isOver(flow)));
  const [accepted] = flow.listening.accepted;
  assert.equal(reasonOf(accepted!), 'bad-record');
  assert.equal(accepted!.wrongAt, -1);
  assert.ok(flow.world.server.stack.state.counters.packetsIn < 5_000);
});
