// How a server parts with its connections: who is asked to go on elsewhere, who may finish, who is reset, and what is told
// of it in the end. That the requests arrive is the stack's business (tests/scenario/shed.test.ts).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { createServer, type Server } from './server.ts';
import { connect, type Socket } from './socket.ts';
import { createMemoryDriver, type MemoryDriver } from './testing/memory-driver.ts';

interface Crowd {
  readonly driver: MemoryDriver;
  readonly server: Server;
  readonly clients: readonly Socket[];
  /** Which clients were asked, in order. */
  readonly asked: number[];
}

/** One client for each letter: `r` can go on elsewhere, `-` cannot. */
async function crowd(t: TestContext, kinds: string): Promise<Crowd> {
  const driver = createMemoryDriver();
  const server = createServer({ driver }, (socket) => socket.on('error', () => {}).resume());
  server.listen('crowd');
  await once(server, 'listening');
  const asked: number[] = [];
  const clients: Socket[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    server.close();
    while (driver.openSockets > 0) await turns(1);
  });
  for (const [i, kind] of [...kinds].entries()) {
    const client = connect({ service: 'crowd', driver, failover: kind === 'r' });
    client.on('error', () => {}).on('shed', () => asked.push(i));
    client.resume();
    clients.push(client);
    await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  }
  return { driver, server, clients, asked };
}

/** Those that are asked leave at once. */
function leaveWhenAsked({ clients }: Crowd): void {
  for (const client of clients) client.on('shed', () => client.end());
}

async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('server: both ends of a connection know whether its client can go on elsewhere', async (t) => {
  for (const failover of [true, false]) {
    const here = await crowd(t, failover ? 'r' : '-');
    const [client] = here.clients;
    const remote = connect({ service: 'crowd', driver: here.driver, failover });
    const [accepted] = (await once(here.server, 'connection')) as [Socket];
    assert.deepEqual([client?.resumes, accepted.resumes], [failover, failover]);
    assert.equal(accepted.shed(), failover);
    assert.equal(accepted.shed(), false, 'asked before, or cannot go');
    remote.destroy();
  }
});

test('server: shed asks a share of all, of those that can go, the oldest first', async (t) => {
  const here = await crowd(t, '-rr-rr');
  leaveWhenAsked(here);
  assert.deepEqual(await here.server.shed({ fraction: 0.5 }), { asked: 3, moved: 3 });
  assert.deepEqual(here.asked, [1, 2, 4]);
  assert.ok(here.server.listening);
  const turnedAway = here.driver.inputs.filter((input) => input.kind === 'shed').length;
  assert.equal(turnedAway, 6, 'two that cannot go, three that can, and the listener');
});

test('server: shed waits no longer than it is told for clients that do not leave, and asks nobody twice', async (t) => {
  const here = await crowd(t, 'rr');
  assert.deepEqual(await here.server.shed({ timeoutMs: 20 }), { asked: 2, moved: 0 });
  assert.deepEqual(await here.server.shed({ timeoutMs: 20 }), { asked: 0, moved: 0 });
  assert.deepEqual(here.asked, [0, 1]);
});

test('server: nothing to shed is done at once; a fraction that is none throws', async (t) => {
  const here = await crowd(t, '--');
  assert.deepEqual(await here.server.shed(), { asked: 0, moved: 0 });
  assert.deepEqual(await here.server.shed({ fraction: 0 }), { asked: 0, moved: 0 });
  for (const fraction of [-0.1, 1.1, Number.NaN])
    assert.throws(() => here.server.shed({ fraction }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  for (const ms of [-1, Number.NaN]) {
    assert.throws(() => here.server.shed({ timeoutMs: ms }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => here.server.drain({ deadlineMs: ms }), { code: 'ERR_OUT_OF_RANGE' });
  }
});

test('server: drain takes the name back before it asks anybody, and tells who moved and who ended', async (t) => {
  const here = await crowd(t, 'r-r');
  leaveWhenAsked(here);
  const drained = here.server.drain();
  const kinds = here.driver.inputs.map(({ kind }) => kind).filter((kind) => kind === 'close' || kind === 'shed');
  assert.deepEqual(kinds, ['close', 'shed', 'shed', 'shed']);
  const late = connect({ service: 'crowd', driver: here.driver });
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  await turns();
  assert.deepEqual(here.asked, [0, 2]);
  assert.equal(here.clients[1]?.destroyed, false, 'who cannot go may finish');
  here.clients[1]?.end();
  assert.deepEqual(await drained, { moved: 2, ended: 1, reset: 0 });
});

test('server: at the deadline those that are left are reset', async (t) => {
  const here = await crowd(t, 'r-');
  const errors: string[] = [];
  for (const client of here.clients)
    client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
  assert.deepEqual(await here.server.drain({ deadlineMs: 20 }), { moved: 0, ended: 0, reset: 2 });
  await turns();
  assert.deepEqual(errors, ['ECONNRESET', 'ECONNRESET']);
});

test('server: a second drain may hurry the first; both tell the same', async (t) => {
  const here = await crowd(t, 'r-');
  const patient = here.server.drain({ deadlineMs: 60_000 });
  here.clients[1]?.end();
  await turns();
  const hasty = here.server.drain({ deadlineMs: 20 });
  assert.deepEqual(await patient, { moved: 0, ended: 1, reset: 1 });
  assert.deepEqual(await hasty, { moved: 0, ended: 1, reset: 1 });
  assert.deepEqual(here.asked, [0]);
});

test('server: a server without connections is drained at once, one that is closed too', async (t) => {
  const here = await crowd(t, '');
  assert.deepEqual(await here.server.drain(), { moved: 0, ended: 0, reset: 0 });
  assert.deepEqual(await here.server.drain(), { moved: 0, ended: 0, reset: 0 });
});

test('server: who was asked by shed counts as moved when drain sees it go', async (t) => {
  const here = await crowd(t, 'r');
  await here.server.shed({ timeoutMs: 1 });
  const drained = here.server.drain();
  here.clients[0]?.end();
  assert.deepEqual(await drained, { moved: 1, ended: 0, reset: 0 });
});
