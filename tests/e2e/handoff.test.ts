// Connections that change their process while data is on its way in both directions: their clients are programs that know
// nothing of it, and compare every byte.

import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StackInfo } from '../../src/core/stack/index.ts';
import {
  type Child,
  needsPatience,
  needsPrograms,
  needsRoot,
  root,
  Stage,
  type StartOptions,
  until,
} from './harness.ts';
import { Keyring } from './keyring.ts';
import type { EchoOptions } from './programs/echo-instance.ts';
import { buildRoaming, joinMiddle, replaceAddress, setCarrier, setLink } from './roaming.ts';
import { Topology } from './topology.ts';

const timeout = 120_000;

interface Handed {
  readonly moved: number;
  readonly stayed: number;
  readonly refusals: readonly string[];
}

interface Failed {
  readonly code: string;
  readonly message: string;
  readonly syscall: string;
  readonly moved: number;
  readonly stayed: number;
}

interface Clients {
  readonly whole: number;
  readonly wrong: number;
  readonly errors: readonly string[];
  readonly bytes: number;
  readonly longestMs: number;
}

/** A name of this run alone: programs of others may find its router. */
function named(what: string): string {
  return `${what}-${process.pid}`;
}

async function instance(stage: Stage, options: EchoOptions, start: StartOptions = {}): Promise<Child> {
  const child = stage.program('echo-instance', [JSON.stringify(options)], start);
  await child.line(/^ready$/m);
  return child;
}

async function clientsOf(stage: Stage, service: string, count: number, ...rest: string[]): Promise<Child> {
  return clientsIn(stage, {}, service, `${count}`, ...rest);
}

async function clientsIn(stage: Stage, start: StartOptions, ...args: string[]): Promise<Child> {
  const child = stage.program('echo-clients', args, start);
  await child.line(/^open$/m, 60_000);
  return child;
}

/** The line of JSON that it answers a command with. */
async function ask<T>(child: Child, command: string, deadlineMs = 60_000): Promise<T> {
  const before = child.stdout.length;
  child.write(`${command}\n`);
  const answer = (): string | undefined => /^\{.*\}\n/m.exec(child.stdout.slice(before))?.[0];
  return JSON.parse(await until(`an answer to ${command}\n${child.describe()}`, answer, deadlineMs)) as T;
}

/** Until so much more has come back. */
async function more(clients: Child, bytes: number): Promise<void> {
  const { bytes: before } = await ask<Clients>(clients, 'now');
  await until(`${bytes} bytes more`, async () => (await ask<Clients>(clients, 'now')).bytes >= before + bytes);
}

async function assertWhole(clients: Child, count: number, t: TestContext): Promise<void> {
  const { whole, wrong, errors, longestMs, bytes } = await ask<Clients>(clients, 'end');
  assert.deepEqual([whole, wrong, errors], [count, 0, []], clients.describe());
  t.diagnostic(`${count} clients, ${bytes} bytes, longest time without one: ${Math.round(longestMs)} ms`);
}

test('[M12] 100 connections are handed over in the middle of their transfers, to and fro: every byte comes once', {
  timeout,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const service = named('echo');
  const path = join(stage.folder, 'handoff.sock');
  let old = await instance(stage, { service, at: path, to: path });
  const clients = await clientsOf(stage, service, 100, '20000');
  for (let i = 0; i < 3; i++) {
    await more(clients, 1_000_000);
    const next = await instance(stage, { service, at: path, to: path });
    assert.deepEqual(await ask<Handed>(old, 'handoff'), { moved: 100, stayed: 0, refusals: [] }, old.describe());
    assert.equal((await ask<{ open: number }>(old, 'state')).open, 0);
    old.endInput();
    assert.equal((await old.exit()).code, 0, 'nothing keeps the old process');
    await more(clients, 1_000_000);
    old = next;
  }
  await assertWhole(clients, 100, t);
});

test('[M12] who is refused, or whose receiver is not there or dies, goes on where it was', { timeout }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const service = named('stays');
  const at = join(stage.folder, 'handoff.sock');
  const old = await instance(stage, { service, to: at });
  const clients = await clientsOf(stage, service, 20, '20000');
  const fails = async (code: string): Promise<void> => {
    const failed = await ask<Failed>(old, 'handoff');
    assert.deepEqual([failed.code, failed.syscall, failed.moved], [code, 'handoff', 0], failed.message);
    assert.ok(failed.message.includes(at), failed.message);
    await more(clients, 100_000);
  };
  await fails('ECONNREFUSED');
  const dying = await instance(stage, { service, at, receiver: 'dies' });
  await fails('ECONNRESET');
  assert.equal((await dying.exit()).code, 3);
  await fails('ECONNREFUSED');
  const other = await instance(stage, { service: named('other'), at });
  const wrong = await ask<Handed>(old, 'handoff');
  assert.deepEqual(wrong, { moved: 0, stayed: 20, refusals: ['it serves another name'] });
  await other.stop();
  const none = await instance(stage, { service, at, receiver: 'none' });
  const refused = await ask<Handed>(old, 'handoff');
  assert.deepEqual(refused, { moved: 0, stayed: 20, refusals: ['its program takes no connections over'] });
  await none.stop();
  await instance(stage, { service, at, receiver: 'half' });
  await more(clients, 100_000);
  assert.deepEqual(await ask<Handed>(old, 'handoff'), { moved: 10, stayed: 10, refusals: ['its program refuses'] });
  await more(clients, 100_000);
  const last = await instance(stage, { service, at });
  assert.deepEqual(await ask<Handed>(old, 'handoff'), { moved: 10, stayed: 0, refusals: [] });
  await more(clients, 100_000);
  assert.equal((await ask<{ open: number }>(last, 'state')).open, 10);
  await assertWhole(clients, 20, t);
});

test('[M12] a state that is too big is an error that says so, and the connection goes on', { timeout }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const service = named('big');
  const at = join(stage.folder, 'handoff.sock');
  const stateBytes = 2 ** 20 + 1;
  const old = await instance(stage, { service, to: at, stateBytes });
  const clients = await clientsOf(stage, service, 3);
  await instance(stage, { service, at });
  const { code, message, moved } = await ask<Failed>(old, 'handoff');
  assert.deepEqual([code, moved], ['ERR_OUT_OF_RANGE', 0]);
  assert.match(message, /up to 1048576 bytes, not 1048577/);
  await more(clients, 500_000);
  assert.equal((await ask<{ open: number }>(old, 'state')).open, 3);
  await assertWhole(clients, 3, t);
});

test('[M12] from host to host connections go by Caracal itself, to who proves the same key and to nobody else', {
  timeout,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const keyring = new Keyring(stage);
  const service = `svc:${keyring.make('first')}`;
  const identity = keyring.instance('first');
  const old = await instance(stage, { service, identity });
  const clients = await clientsOf(stage, service, 5);
  assert.equal((await ask<Failed>(old, 'handoff')).code, 'ECONNREFUSED', 'nobody takes over');
  const next = await instance(stage, { service, identity: keyring.another('first', 'second'), at: true });
  assert.deepEqual(await ask<Handed>(old, 'handoff'), { moved: 5, stayed: 0, refusals: [] });
  await more(clients, 500_000);
  assert.equal((await ask<{ open: number }>(next, 'state')).open, 5);
  await assertWhole(clients, 5, t);
  const nameless = await instance(stage, { service: named('nameless') });
  const { code, message } = await ask<Failed>(nameless, 'handoff');
  assert.equal(code, 'ERR_MISSING_ARGS', message);
});

test('[M8] of two processes that go on with one and the same end one does, and the other is told so', {
  timeout,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const service = named('copied');
  const ends = await Promise.all([1, 2, 3].map((i) => stage.program('cloned-end', [service, `127.0.0.${i}`])));
  const places = await Promise.all(ends.map((end) => end.line(/^ready (\S+)$/m, 60_000)));
  const clients = await clientsOf(stage, service, 1);
  const of = async (end: Child): Promise<{ flows: { role: string }[] }> => stage.status(end);
  const holds = async (end: Child): Promise<boolean> => (await of(end)).flows.some(({ role }) => role === 'server');
  const original = (await Promise.all(ends.map(holds))).indexOf(true);
  const copies = ends.filter((_, i) => i !== original);
  await more(clients, 500_000);
  ends[original]!.write(`export ${places[original === 0 ? 1 : 0]![1]}\n`);
  const [, state] = await ends[original]!.line(/"state":"([0-9a-f]+)","waiting":0/);
  for (const copy of copies) copy.write(`import ${state}\n`);
  const outcomes = await Promise.all(copies.map((copy) => copy.line(/^\{("goesOn"|"code").*/m, 60_000)));
  const lines = outcomes.map(([line]) => line).sort();
  assert.match(lines[1]!, /goesOn/);
  assert.match(lines[0]!, /"code":"ECONNRESET","reason":"superseded"/);
  await more(clients, 500_000);
  await assertWhole(clients, 1, t);
});

test('[M7] clients move while their server goes to another host, and there is no router: the old place brings them together', {
  skip: needsRoot || needsPrograms('tc', 'nft'),
  timeout,
}, async (t) => {
  const topology = new Topology(t);
  const stage = new Stage(t);
  const { middle, client, server, eth, wifi, router } = await buildRoaming(topology, stage);
  setLink(wifi, 'down');
  const elsewhere = topology.host('elsewhere');
  joinMiddle(topology, middle, elsewhere, 4, 10);
  const service = named('redirected');
  const path = join(stage.folder, 'handoff.sock');
  const old = await instance(stage, { service, to: path }, { namespace: server });
  const clients = await clientsIn(stage, { namespace: client }, service, '3');
  const next = await instance(stage, { service, at: path }, { namespace: elsewhere });
  await more(clients, 100_000);
  router.signal('SIGKILL');
  await router.exit();
  const heard = (): Promise<number[]> =>
    Promise.all([clients, next].map(async (end) => (await stage.status<StackInfo>(end)).counters.moves));

  await setCarrier(middle, [eth], 'down');
  const handed = ask<Handed>(old, 'handoff');
  await until('they are taken over', async () => (await ask<{ handed: number }>(next, 'state')).handed === 3);
  assert.deepEqual(await heard(), [0, 0], 'neither end knows where the other is now');
  await replaceAddress(eth, 1, 2);
  await setCarrier(middle, [eth], 'up');
  assert.deepEqual(await handed, { moved: 3, stayed: 0, refusals: [] }, old.describe());
  assert.deepEqual(await heard(), [3, 3]);
  await more(clients, 500_000);
  await assertWhole(clients, 3, t);
});

interface Chatted {
  readonly dropped: number;
  readonly lost: number;
  readonly doubled: number;
  readonly missing: number;
  readonly said: number;
  readonly delivered: number;
  readonly longestMs: number;
}

/** examples/chat, started again and again while `count` members talk. */
async function redeployChat(t: TestContext, count: number, perSecond: number, times: number): Promise<void> {
  const stage = new Stage(t);
  await stage.router();
  const service = named('chat');
  const path = join(stage.folder, 'chat.sock');
  const deploy = async (): Promise<Child> => {
    const child = stage.start(process.execPath, [join(root, 'dist', 'examples', 'chat', 'server.js'), path, service]);
    await child.line(/^ready/m, 60_000);
    return child;
  };
  let old = await deploy();
  const chatters = stage.program('chatters', [service, `${count}`, `${perSecond}`]);
  await chatters.line(/^open$/m, 120_000);
  for (let i = 0; i < times; i++) {
    const { said } = await ask<Chatted>(chatters, 'now');
    await until('somebody talks', async () => (await ask<Chatted>(chatters, 'now')).said > said + perSecond / 2);
    const next = await deploy();
    old.signal('SIGTERM');
    assert.equal((await old.exit(60_000)).code, 0, old.describe());
    assert.match(old.stdout, new RegExp(`moved: ${count}, stayed: 0`), old.describe());
    old = next;
  }
  const { longestMs, said, delivered, ...figures } = await ask<Chatted>(chatters, 'end');
  assert.deepEqual(figures, { dropped: 0, lost: 0, doubled: 0, missing: 0 }, chatters.describe());
  assert.equal(delivered, said * count);
  t.diagnostic(`${said} messages to ${count} members each, ${Math.round(longestMs)} ms without any at most`);
}

test(
  '[M12] a WebSocket chat is redeployed under 100 open connections: none dropped, no message lost or doubled',
  {
    timeout,
  },
  async (t) => redeployChat(t, 100, 20, 2),
);

test(
  '[M12] a WebSocket chat is redeployed under 1,000 open connections',
  {
    timeout: 300_000,
    skip: needsPatience,
  },
  async (t) => redeployChat(t, 1000, 5, 2),
);
