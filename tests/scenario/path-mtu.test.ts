// What one flow has found of the path MTU, and all others to the same remote then know: those under way, those to come,
// until it turns out to be wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event, Protocol, type SocketId } from '../../src/core/stack/index.ts';
import { createWorld, runFor, service, type World } from './world.ts';

const mtuBytes = 1_472;
/** More than fits a packet of the base size, less than fits one of the largest. */
const answer = new Uint8Array(1_250);

/** The server answers each request, whatever it is, with 1,250 bytes. */
function serve(world: World): void {
  const { driver } = world.server;
  const listener = driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP });
  driver.attach(listener, (event) => {
    if (event.kind !== 'connection') return;
    const socket = event.connection;
    driver.attach(socket, (event) => {
      if (event.kind !== 'data') return;
      driver.handle({ kind: 'read', socket, bytes: event.bytes.length });
      driver.handle({ kind: 'write', socket, bytes: answer, offset: 0 });
    });
    driver.handle({ kind: 'read', socket, bytes: 1 << 20 });
  });
  runFor(world, 5_000_000);
}

interface Client {
  readonly socket: SocketId;
  receivedBytes: number;
}

function dial(world: World): Client {
  const { driver } = world.client;
  const client = { socket: driver.handle({ kind: 'connect', service, protocol: Protocol.TCP }), receivedBytes: 0 };
  driver.attach(client.socket, (event: Event) => {
    if (event.kind !== 'data') return;
    client.receivedBytes += event.bytes.length;
    driver.handle({ kind: 'read', socket: client.socket, bytes: event.bytes.length });
  });
  driver.handle({ kind: 'read', socket: client.socket, bytes: 1 << 20 });
  runFor(world, 1_000_000);
  return client;
}

/** Sizes of the datagrams with the answer, of those that the server sent since. */
function ask(world: World, client: Client, limitUs = 1_000_000): number[] {
  const from = world.simulation.trace.records.length;
  const before = client.receivedBytes;
  world.client.driver.handle({ kind: 'write', socket: client.socket, bytes: new Uint8Array(60), offset: 0 });
  assert.ok(runFor(world, limitUs, () => client.receivedBytes === before + answer.length));
  runFor(world, 200_000);
  return world.simulation.trace.records
    .slice(from)
    .filter((r) => r.verdict === 'sent' && r.from === 'server' && r.to === 'client' && r.bytes.length > 150)
    .map((r) => r.bytes.length);
}

test('path MTU: the first answer too large for the base finds what the path carries, for all flows to that client', () => {
  const world = createWorld({ delayUs: 5_000, mtuBytes });
  serve(world);
  const [first, second] = [dial(world), dial(world)];
  assert.deepEqual(ask(world, first), [mtuBytes]);
  const whole = ask(world, first);
  assert.ok(whole.length === 1 && whole[0]! < 1_400, `${whole}`);
  assert.deepEqual(ask(world, second), whole);
  assert.deepEqual(ask(world, dial(world)), whole);
});

test('path MTU: where that first one is lost no other flow of small answers tries again', () => {
  const world = createWorld({ delayUs: 5_000, mtuBytes: 1_300 });
  // The links of the hosts carry more, so that it is tried.
  serve(world);
  const clients = [dial(world), dial(world), dial(world)];
  const sizes = clients.flatMap((client) => ask(world, client, 5_000_000));
  assert.equal(sizes.filter((bytes) => bytes > 1_300).length, 1, `${sizes}`);
});

test('path MTU: of a path that becomes narrower nothing is left for flows to come', () => {
  const world = createWorld({ delayUs: 5_000, mtuBytes });
  serve(world);
  const first = dial(world);
  ask(world, first);
  ask(world, first);
  Object.assign(world.down.options, { mtuBytes: 1_250 });
  ask(world, first, 10_000_000);
  const sizes = ask(world, dial(world), 10_000_000);
  assert.ok(
    sizes.every((bytes) => bytes <= 1_250 || bytes === mtuBytes),
    `${sizes}`,
  );
  assert.ok(ask(world, dial(world), 10_000_000).every((bytes) => bytes <= 1_250));
});
