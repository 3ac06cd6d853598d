// Datagrams over simulated networks: unbound ones with replies to the sender's name, connected ones on a flow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceId } from '../../src/core/base/index.ts';
import { type Event, Protocol, type SocketId, type Stack } from '../../src/core/stack/index.ts';
import { makeLocator, type SimHost, send } from '../../src/sim/index.ts';
import { forgeDatagram } from './attackers.ts';
import { kindOf, sentOf } from './packets.ts';
import { addMember, createWorld, runFor, service } from './world.ts';

type Received = Extract<Event, { kind: 'datagram' }>;

function openSocket(host: SimHost<Stack>, name?: ServiceId): { socket: SocketId; received: Received[] } {
  const received: Received[] = [];
  const socket = host.driver.handle({ kind: 'datagram-socket', ...(name === undefined ? {} : { service: name }) });
  host.driver.attach(socket, (event) => {
    if (event.kind === 'datagram') received.push({ ...event, bytes: event.bytes.slice() });
  });
  return { socket, received };
}

test('datagrams: a request by name is answered by the name of its sender, with no handshake', () => {
  const world = createWorld({ delayUs: 5_000 });
  const server = openSocket(world.server, service);
  const client = openSocket(world.client);
  runFor(world, 1_000_000);
  const from = world.simulation.trace.records.length;
  const request = Uint8Array.of(1, 2, 3);
  assert.equal(world.client.driver.handle({ kind: 'datagram', socket: client.socket, bytes: request, to: service }), 1);
  runFor(world, 100_000);
  const [asked] = server.received;
  assert.deepEqual(asked?.bytes, request);
  assert.ok(asked?.from !== undefined);
  const reply = Uint8Array.of(4, 5);
  world.server.driver.handle({ kind: 'datagram', socket: server.socket, bytes: reply, to: asked.from });
  runFor(world, 100_000);
  assert.deepEqual(client.received[0]?.bytes, reply);
  assert.deepEqual(client.received[0]?.from, service);
  const records = world.simulation.trace.records.slice(from);
  assert.equal(records.filter((r) => kindOf(r.bytes).includes('SYN')).length, 0);
  assert.equal(sentOf(records, 'named', 'server', 'client').length, 1, 'the reply goes straight back');
});

test('datagrams: on a connected flow numbered packets go straight to the other end, whatever happens to some', () => {
  const world = createWorld({ delayUs: 5_000, loss: 0.1, reorder: 0.1 });
  const heard: number[] = [];
  const listener = world.server.driver.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.UDP });
  world.server.driver.attach(listener, (event) => {
    if (event.kind !== 'connection') return;
    world.server.driver.attach(event.connection, (inner) => {
      if (inner.kind === 'datagram') heard.push(inner.bytes[0] ?? -1);
    });
  });
  runFor(world, 1_000_000);
  const socket = world.client.driver.handle({ kind: 'connect', service, protocol: Protocol.UDP });
  const events: string[] = [];
  world.client.driver.attach(socket, (event) => events.push(event.kind));
  assert.ok(runFor(world, 10_000_000, () => events.includes('connected')));
  runFor(world, 2_000_000);
  for (let i = 0; i < 200; i++) {
    world.client.driver.handle({ kind: 'datagram', socket, bytes: Uint8Array.of(i) });
    runFor(world, 1_000);
  }
  runFor(world, 1_000_000);
  assert.ok(heard.length > 140 && heard.length < 200, `${heard.length} arrived`);
  assert.equal(new Set(heard).size, heard.length, 'none twice');
  world.client.driver.handle({ kind: 'abort', socket });
  assert.ok(runFor(world, 10_000_000, () => events.includes('closed')));
});

test('datagrams: one to a name that nobody has is dropped and counted, the socket lives on', () => {
  const world = createWorld();
  const client = openSocket(world.client);
  const server = openSocket(world.server, service);
  runFor(world, 1_000_000);
  const nobody = service.slice() as ServiceId;
  nobody[10] = (nobody[10] ?? 0) ^ 1;
  world.client.driver.handle({ kind: 'datagram', socket: client.socket, bytes: Uint8Array.of(9), to: nobody });
  runFor(world, 1_000_000);
  assert.equal(world.router.stack.inspect().counters.dropped['no-such-service'], 1);
  world.client.driver.handle({ kind: 'datagram', socket: client.socket, bytes: Uint8Array.of(8), to: service });
  runFor(world, 1_000_000);
  assert.deepEqual(server.received[0]?.bytes, Uint8Array.of(8));
});

test('datagrams: who claims to be a service is not sent what is meant for it', () => {
  const world = createWorld({ delayUs: 5_000 });
  const server = openSocket(world.server, service);
  const client = openSocket(world.client);
  runFor(world, 1_000_000);
  const ask = () =>
    world.client.driver.handle({ kind: 'datagram', socket: client.socket, bytes: Uint8Array.of(1), to: service });
  ask();
  runFor(world, 100_000);
  const to = server.received[0]?.from;
  assert.ok(to !== undefined);
  const forged = forgeDatagram(to, service);
  const { station: mallory } = addMember(world.simulation, 'mallory', '10.0.0.66');
  send(world.simulation.network, mallory, makeLocator('10.0.0.1', 40_000), forged);
  runFor(world, 100_000);
  assert.equal(client.received.length, 1, 'labels prove nothing: the forged datagram itself arrives');
  ask();
  runFor(world, 100_000);
  assert.equal(server.received.length, 2, 'the answer of the forger did not divert the next request');
});
