// Datagrams by service: unbound with a reply by name (A3), connected (A4), and misuse.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createSocket, type DatagramSocket, type RemoteInfo } from './datagram.ts';
import { createMemoryDriver, distantSystem } from './testing/memory-driver.ts';

test('datagram: a message is answered by the name of its sender', async () => {
  const driver = createMemoryDriver();
  const server = createSocket({ driver }, (message, remote) => server.send(`re: ${message}`, remote.service!));
  server.bind('time');
  await once(server, 'listening');
  assert.deepEqual(server.address(), { service: 'time' });
  const client = createSocket({ driver });
  client.send('what time is it', 'time');
  const [message, remote] = (await once(client, 'message')) as [Buffer, RemoteInfo];
  assert.equal(message.toString(), 're: what time is it');
  assert.equal(remote.size, message.length);
  assert.match(remote.service ?? '', /^[a-z2-7]{52}$/);
  await Promise.all([client, server].map((socket) => socket[Symbol.asyncDispose]()));
  assert.equal(driver.openSockets, 0);
});

test('datagram: a flow stays with one instance and needs no name to send', async () => {
  const driver = createMemoryDriver();
  const server = createSocket({ driver }).listen('game');
  server.on('connection', (flow: DatagramSocket) => flow.on('message', (message) => flow.send(`${message}!`)));
  await once(server, 'listening');
  const client = createSocket({ driver }).connect('game');
  assert.equal(client.remoteService, 'game');
  client.send('sent before it is open');
  const [message, remote] = (await once(client, 'message')) as [Buffer, RemoteInfo];
  assert.equal(message.toString(), 'sent before it is open!');
  assert.equal(remote.service, 'game');
  client.close();
  server.close();
  await once(server, 'close');
});

test('datagram: a flow to nobody fails with ECONNREFUSED', async () => {
  const client = createSocket({ driver: createMemoryDriver() }).connect('nobody');
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

test('datagram: what the stack does not take is told to the callback', async () => {
  const client = createSocket({ driver: createMemoryDriver() });
  const error = await new Promise<Error | null>((resolve) => client.send(Buffer.alloc(5000), 'x', resolve));
  assert.equal((error as NodeJS.ErrnoException).code, 'ENOBUFS');
  assert.match(error?.message ?? '', /svc:\/\/x: the message is too long/);
  const distant = new Uint8Array(32).fill(distantSystem);
  const refused = await new Promise<Error | null>((resolve) => client.send('secret', distant, resolve));
  assert.equal((refused as NodeJS.ErrnoException).code, 'ERR_CARACAL_UNTRUSTED');
  const none = await new Promise<Error | null>((resolve) => client.send('short', 'x', resolve));
  assert.equal(none, null);
  client.close();
});

test('datagram: misuse throws Node codes', () => {
  const driver = createMemoryDriver();
  const bound = createSocket({ driver }).bind('a');
  assert.throws(() => bound.bind('b'), { code: 'ERR_SOCKET_ALREADY_BOUND' });
  assert.throws(() => bound.send('x'), { code: 'ERR_MISSING_ARGS' });
  assert.throws(() => bound.send(7 as never, 'b'), { code: 'ERR_INVALID_ARG_TYPE' });
  const flow = createSocket({ driver }).connect('a');
  assert.throws(() => flow.send('x', 'b'), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
  flow.on('error', () => {});
  bound.close();
  assert.throws(() => bound.send('x', 'a'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  flow.close();
});

test('datagram: a signal closes it', async () => {
  const controller = new AbortController();
  const socket = createSocket({ driver: createMemoryDriver(), signal: controller.signal }).bind('s');
  controller.abort();
  await once(socket, 'close');
});
