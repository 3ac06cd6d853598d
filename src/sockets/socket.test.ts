// What ours has beside net's behaviour (tests/conformance has that): names instead of addresses, what is asked of the
// stack, and the bounds of a destroyed connection.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { formatPrefix, formatServiceId, makePrefix } from '../core/base/index.ts';
import type { Input } from '../core/stack/index.ts';
import { labelId } from './labels.ts';
import { createServer, type Server, type ServerOptions } from './server.ts';
import { connect, type Socket } from './socket.ts';
import { createMemoryDriver, type MemoryDriver } from './testing/memory-driver.ts';

interface Pair {
  readonly driver: MemoryDriver;
  readonly server: Server;
  readonly client: Socket;
  readonly remote: Socket;
}

async function pair(options: ServerOptions = {}): Promise<Pair> {
  const driver = createMemoryDriver();
  const server = createServer({ ...options, driver }).listen('echo');
  await once(server, 'listening');
  const client = connect({ service: 'echo', driver });
  const [[remote]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], unknown];
  remote.on('error', () => {});
  return { driver, server, client, remote };
}

async function finish({ driver, server, client, remote }: Pair): Promise<void> {
  client.destroy();
  remote.destroy();
  server.close();
  while (driver.openSockets > 0) await new Promise((resolve) => setImmediate(resolve));
}

function kinds(driver: MemoryDriver): string[] {
  return driver.inputs.map((input) => input.kind);
}

test('socket: services on both ends, addresses on none', async () => {
  const both = await pair();
  const { client, remote, server } = both;
  assert.equal(client.remoteService, 'echo');
  assert.equal(remote.localService, 'echo');
  for (const socket of [client, remote]) {
    assert.equal(socket.remoteAddress, undefined);
    assert.equal(socket.remotePort, undefined);
    assert.equal(socket.localAddress, undefined);
    assert.equal(socket.localPort, undefined);
  }
  assert.deepEqual(remote.address(), { service: 'echo' });
  assert.deepEqual(server.address(), { service: 'echo', id: formatServiceId(labelId('echo')), registered: false });
  await finish(both);
});

test('socket: a prefix is bound, each connection tells which member was asked for', async () => {
  const driver = createMemoryDriver();
  const server = createServer({ driver }, (socket) => socket.end(socket.localService));
  server.listen({ service: 'cache', bits: 224 });
  await once(server, 'listening');
  assert.equal(server.address()?.id, formatPrefix(makePrefix(labelId('cache'), 224)));
  for (const member of [0, 1, 4_000_000_000]) {
    const id = labelId('cache', member);
    const [text] = (await once(connect({ service: id, driver }), 'data')) as [Buffer];
    assert.equal(text.toString(), formatServiceId(id));
  }
  server.close();
});

test('socket: malformed arguments throw before anything happens', () => {
  const driver = createMemoryDriver();
  assert.throws(() => connect({ driver } as never), { code: 'ERR_MISSING_ARGS' });
  assert.throws(() => connect(8080 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => connect({ service: 'not a name', driver }), { code: 'ERR_INVALID_SERVICE_NAME' });
  assert.throws(() => createServer({ driver }).listen(8080 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.deepEqual(driver.inputs, []);
});

test('socket: listening on a taken name is EADDRINUSE', async () => {
  const driver = createMemoryDriver();
  const first = createServer({ driver }).listen('taken');
  await once(first, 'listening');
  const second = createServer({ driver }).listen('taken');
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'EADDRINUSE');
  assert.equal(error.syscall, 'listen');
  assert.equal(second.listening, false);
  first.close();
});

test('socket: options reach the stack in its units', async () => {
  const driver = createMemoryDriver();
  const client = connect({ service: 'x', driver, noDelay: false, keepAlive: true, connectTimeout: 1500 });
  const closed = new Promise((resolve) => client.on('error', () => {}).once('close', resolve));
  const input = driver.inputs[0] as Extract<Input, { kind: 'connect' }>;
  assert.deepEqual(input.stream, { nagle: true, keepAliveUs: 7_200_000_000 });
  assert.equal(input.timeoutUs, 1_500_000);
  client.setNoDelay().setKeepAlive(true, 2000).setKeepAlive(true, 2000);
  const options = driver.inputs.slice(1) as Extract<Input, { kind: 'options' }>[];
  assert.deepEqual(
    options.map(({ stream }) => stream),
    [{ nagle: false }, { keepAliveUs: 2_000_000 }],
  );
  await closed;
});

test('socket: grants of bytes to read are few and bounded', async () => {
  const both = await pair();
  const { driver, client, remote } = both;
  remote.resume();
  for (let i = 0; i < 100; i++) await new Promise((resolve) => client.write(Buffer.alloc(16 * 1024), resolve));
  const reads = driver.inputs.filter((input) => input.kind === 'read' && input.socket === 3);
  assert.ok(reads.length >= 4 && reads.length <= 20, `${reads.length} grants for 1.6 MB`);
  remote.pause();
  client.write(Buffer.alloc(4 * 1024 * 1024));
  for (let i = 0; i < 500; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(remote.readableLength <= 512 * 1024, `${remote.readableLength} bytes behind a paused reader`);
  await finish(both);
});

test('destroy: with bytes that the stack did not take, the peer is reset', async () => {
  const both = await pair();
  both.client.write(Buffer.alloc(1024 * 1024));
  both.client.destroy();
  assert.equal(kinds(both.driver).at(-1), 'abort');
  await finish(both);
});

test('destroy: without an end, data that comes after it is answered with a reset', async () => {
  const both = await pair({ allowHalfOpen: true });
  const { driver, client, remote } = both;
  client.destroy();
  assert.ok(!kinds(driver).includes('abort'));
  remote.write('too late');
  const [error] = (await once(remote, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  await finish(both);
});

test('destroy: after an end, what still comes is discarded, up to a bound', async () => {
  const both = await pair({ allowHalfOpen: true });
  const { driver, client, remote } = both;
  client.end('answer');
  await once(client, 'finish');
  client.destroy();
  await new Promise((resolve) => remote.write(Buffer.alloc(1024 * 1024), resolve));
  assert.ok(!kinds(driver).includes('abort'));
  for (let i = 0; i < 100 && !remote.destroyed; i++)
    await new Promise((resolve) => remote.write(Buffer.alloc(1024 * 1024), resolve));
  assert.ok(kinds(driver).includes('abort'));
  await finish(both);
});

test('server: async iteration gives the connections until close', async () => {
  const driver = createMemoryDriver();
  const server = createServer({ driver }).listen('loop');
  const clients: Socket[] = [];
  server.once('listening', () => {
    for (let i = 0; i < 3; i++) clients.push(connect({ service: 'loop', driver }).resume());
  });
  let count = 0;
  for await (const socket of server) {
    socket.end();
    if (++count === 3) server.close();
  }
  assert.equal(count, 3);
});

test('server: listen passes weight, priority, backlog and bits on', () => {
  const driver = createMemoryDriver();
  const server = createServer({ driver }).listen({ service: 'w', weight: 3, priority: 2, backlog: 7, bits: 224 });
  const { weight, priority, backlog, bits } = driver.inputs[0] as Extract<Input, { kind: 'listen' }>;
  assert.deepEqual({ weight, priority, backlog, bits }, { weight: 3, priority: 2, backlog: 7, bits: 224 });
  server.close();
});

test('socket: a socket to be avoided is named to the stack, also once it is gone', async () => {
  const both = await pair();
  const { client, driver } = both;
  client.destroy();
  await once(client, 'close');
  const other = connect({ service: 'echo', driver, avoid: client });
  await once(other, 'connect');
  const [first, second] = driver.inputs.filter((input) => input.kind === 'connect');
  assert.ok(first !== undefined && !('avoid' in first));
  assert.equal(second?.avoid, 2);
  const misplaced = connect({ service: 'echo', driver: createMemoryDriver(), avoid: client });
  const [error] = await once(misplaced, 'error');
  assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
  other.destroy();
  await finish(both);
});

/** What the application's writes became: the bytes of each write to the stack, from here on. */
function writesOf(driver: MemoryDriver, from: number): number[] {
  return driver.inputs.slice(from).flatMap((input) => (input.kind === 'write' ? [input.bytes.length] : []));
}

function read(socket: Socket, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve) => {
    socket.on('data', function hear(part: Buffer) {
      parts.push(part);
      const all = Buffer.concat(parts);
      if (all.length < bytes) return;
      socket.off('data', hear);
      resolve(all);
    });
  });
}

test('socket: small writes of one turn but the first two go as one, those of the next turn by themselves', async () => {
  const both = await pair();
  const { driver, client, remote } = both;
  const from = driver.inputs.length;
  for (let i = 0; i < 100; i++) assert.equal(client.write(Buffer.from([i])), true);
  assert.deepEqual(writesOf(driver, from), [1, 1]);
  assert.deepEqual(
    [...(await read(remote, 100))],
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.deepEqual(writesOf(driver, from), [1, 1, 98]);
  client.write('next');
  assert.deepEqual(writesOf(driver, from), [1, 1, 98, 4]);
  await read(remote, 4);
  await finish(both);
});

test('socket: large writes are not held, and not joined', async () => {
  const both = await pair();
  const { driver, client, remote } = both;
  const from = driver.inputs.length;
  for (let i = 0; i < 2; i++) client.write(Buffer.alloc(8192));
  assert.deepEqual(writesOf(driver, from), [8192, 8192]);
  client.cork();
  for (const bytes of [100, 200, 30_000, 300]) client.write(Buffer.alloc(bytes));
  client.uncork();
  await read(remote, 2 * 8192 + 30_600);
  assert.deepEqual(writesOf(driver, from).slice(0, 4), [8192, 8192, 300, 30_000]);
  await finish(both);
});

for (const how of ['end', 'destroy', 'destroySoon'] as const)
  test(`socket: what a turn has held goes before ${how}`, async () => {
    const both = await pair();
    const { driver, client, remote } = both;
    const from = driver.inputs.length;
    let told = 0;
    for (let i = 0; i < 5; i++) client.write('x', () => told++);
    client[how]();
    assert.deepEqual(writesOf(driver, from), [1, 1, 3]);
    assert.equal(told, 0, 'callbacks come later');
    assert.equal(String(await read(remote, 5)), 'xxxxx');
    await finish(both);
  });
