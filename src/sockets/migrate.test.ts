import assert from 'node:assert/strict';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import type { Driver } from '../core/stack/index.ts';
import { createServer } from './server.ts';
import { connect, type Socket } from './socket.ts';
import { createMemoryDriver, linkAddresses, type MemoryDriver } from './testing/memory-driver.ts';

const [good = '', silent = '', otherVersion = '', slow = ''] = linkAddresses;

async function open(t: TestContext): Promise<{ driver: MemoryDriver; socket: Socket }> {
  const driver = createMemoryDriver();
  const server = createServer({ driver }).listen('echo');
  await once(server, 'listening');
  const socket = connect({ service: 'echo', driver });
  await once(socket, 'connect');
  t.after(() => {
    socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  return { driver, socket };
}

const asked = ({ inputs }: MemoryDriver) =>
  inputs.flatMap((input) => (input.kind === 'migrate' ? [input.link ?? 'here'] : []));

test('migrate: says again where it is, or goes to an address; resolves and tells once the peer knows', async (t) => {
  const { driver, socket } = await open(t);
  let told = 0;
  socket.on('migrate', () => told++);
  await socket.migrate();
  await socket.migrate({ address: good });
  await socket.migrate({ address: '::' });
  assert.deepEqual(asked(driver), ['here', 1, 0]);
  assert.equal(told, 3);
});

test('migrate: where nobody answers it rejects, and the connection goes on', async (t) => {
  const { socket } = await open(t);
  await assert.rejects(socket.migrate({ address: silent }), {
    code: 'ETIMEDOUT',
    syscall: 'migrate',
    message: 'migrate ETIMEDOUT svc://echo: the other end does not answer there; try: caracal doctor',
  });
  assert.equal(socket.destroyed, false);
  await socket.migrate();
});

test('migrate: an address that is none of this machine’s, or no address, or of the other IP version', async (t) => {
  const { driver, socket } = await open(t);
  await assert.rejects(socket.migrate({ address: '198.51.100.7' }), {
    code: 'EADDRNOTAVAIL',
    message:
      'migrate EADDRNOTAVAIL svc://echo: not an address of this machine that is in use (198.51.100.7); try: ip -brief address',
  });
  await assert.rejects(socket.migrate({ address: 'eth0' }), { code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' });
  await assert.rejects(socket.migrate({ interface: 'no-such-thing' }), { code: 'EADDRNOTAVAIL' });
  await assert.rejects(socket.migrate({ address: otherVersion }), { code: 'ENOTCONN' });
  assert.deepEqual(asked(driver), [3]);
});

test('migrate: to an interface is to its address of the right IP version', async (t) => {
  const { socket, driver } = await open(t);
  const [name = ''] = Object.keys(networkInterfaces());
  const addresses = networkInterfaces()[name]?.map(({ address }) => address);
  const tried: string[] = [];
  const openLink: Driver['openLink'] = async (address) => {
    tried.push(address);
    return tried.length === addresses?.length ? 1 : 3;
  };
  Object.assign(driver, { openLink });
  await socket.migrate({ interface: name });
  assert.deepEqual(tried, addresses);
});

test('migrate: only an open connection can; one that ends meanwhile rejects', async (t) => {
  const { driver, socket } = await open(t);
  await assert.rejects(connect({ service: 'echo', driver }).migrate(), { code: 'ENOTCONN' });
  const moving = socket.migrate({ address: slow });
  const later = socket.migrate({ address: slow });
  while (asked(driver).length < 2) await new Promise(setImmediate);
  socket.destroy();
  await assert.rejects(moving, { code: 'ERR_SOCKET_CLOSED' });
  await assert.rejects(later, { code: 'ERR_SOCKET_CLOSED' });
  await assert.rejects(socket.migrate(), { code: 'ENOTCONN' });
});

test('migrate: a later move settles those before it', async (t) => {
  const { driver, socket } = await open(t);
  const first = socket.migrate({ address: slow });
  while (asked(driver).length < 1) await new Promise(setImmediate);
  await socket.migrate({ address: good });
  await first;
});

test('migrate: a driver with one link can only tell again', async (t) => {
  const { driver, socket } = await open(t);
  Object.assign(driver, { openLink: undefined });
  await assert.rejects(socket.migrate({ address: good }), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
  await socket.migrate();
});
