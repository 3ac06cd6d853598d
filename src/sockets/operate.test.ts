// Requests of an operator to the servers of one driver.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { formatPrefix } from '../core/base/index.ts';
import { labelId } from './labels.ts';
import { type OperateProgress, operate } from './operate.ts';
import { createServer, type Server } from './server.ts';
import { connect } from './socket.ts';
import { createMemoryDriver, type MemoryDriver } from './testing/memory-driver.ts';

function idOf(label: string): string {
  return formatPrefix({ id: labelId(label), bits: 256 });
}

async function listen(driver: MemoryDriver, name: string): Promise<Server> {
  const server = createServer({ driver }, (socket) => socket.on('error', () => {}).resume()).listen(name);
  await once(server, 'listening');
  return server;
}

async function join(driver: MemoryDriver, server: Server, service: string, failover: boolean): Promise<void> {
  const socket = connect({ service, driver, failover }).on('error', () => {});
  socket.once('shed', () => socket.end());
  socket.resume();
  await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
}

const tellNobody = (): void => {};

test('operate: drain reaches the servers of one name, or all, and adds up their figures', async () => {
  const driver = createMemoryDriver();
  const [web, mail] = [await listen(driver, 'web'), await listen(driver, 'mail')];
  await join(driver, web, 'web', true);
  await join(driver, mail, 'mail', true);
  await join(driver, mail, 'mail', false);
  const request = { operation: 'drain', service: idOf('web'), deadlineMs: 20 };
  assert.deepEqual(await operate(driver, request, tellNobody), { moved: 1, ended: 0, reset: 0 });
  assert.deepEqual([web.listening, mail.listening], [false, true]);
  await assert.rejects(operate(driver, request, tellNobody), /serves no such name/);
  const rest = { operation: 'drain', service: null, deadlineMs: 20 };
  assert.deepEqual(await operate(driver, rest, tellNobody), { moved: 1, ended: 0, reset: 1 });
});

test('operate: a drain tells how many connections are left', async () => {
  const driver = createMemoryDriver();
  const server = await listen(driver, 'web');
  await join(driver, server, 'web', false);
  const told: OperateProgress[] = [];
  const request = { operation: 'drain', service: null, deadlineMs: 250 };
  await operate(driver, request, (progress) => told.push(progress));
  assert.deepEqual(told[0], { left: 1 });
});

test('operate: shed goes on serving', async () => {
  const driver = createMemoryDriver();
  const server = await listen(driver, 'web');
  for (let i = 0; i < 4; i++) await join(driver, server, 'web', true);
  const request = { operation: 'shed', service: idOf('web'), fraction: 0.5, timeoutMs: 1_000 };
  assert.deepEqual(await operate(driver, request, tellNobody), { asked: 2, moved: 2 });
  assert.ok(server.listening);
  await server.drain({ deadlineMs: 0 });
});

test('operate: servers of another driver, those that failed and what is no request are refused', async () => {
  const [driver, other] = [createMemoryDriver(), createMemoryDriver()];
  const server = await listen(driver, 'web');
  const taken = createServer({ driver }).listen('web');
  await once(taken, 'error');
  for (const request of [undefined, null, 7, 'drain', {}, { operation: 'stop', service: null }])
    await assert.rejects(operate(driver, request, tellNobody), /no such request/);
  const drain = { operation: 'drain', service: null, deadlineMs: 0 };
  await assert.rejects(operate(other, drain, tellNobody), /serves no such name/);
  await assert.rejects(operate(driver, { ...drain, deadlineMs: 'soon' }, tellNobody), { code: 'ERR_OUT_OF_RANGE' });
  assert.ok(server.listening);
  assert.deepEqual(await operate(driver, drain, tellNobody), { moved: 0, ended: 0, reset: 0 });
});
