// Sockets by service: listen and connect, prefixes, registration that follows the listener, and the suites that run on
// node:net and on ours alike.

import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatServiceId, memberOffset, parseServiceId } from '../../src/core/base/index.ts';
import { Stage, until } from './harness.ts';
import { Peer } from './peer.ts';

/** The id of one member of a service. */
function memberOf(id: string, member: number): string {
  const bytes = parseServiceId(id);
  new DataView(bytes.buffer).setUint32(memberOffset, member);
  return formatServiceId(bytes);
}

test('[A1] two processes reach each other by name, both ways at once', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: listener } = await server.listen('echo', 'echo');
  const connections = await Promise.all([1, 2, 3].map(() => client.connect('echo')));
  const answers = await Promise.all(connections.map((connection, i) => client.exchange(connection, `hello ${i}`)));
  assert.deepEqual(answers, ['hello 0', 'hello 1', 'hello 2']);
  assert.equal((await server.accepted(listener)).length, 3);
});

test('[A1] an unknown service is refused at once, as node:net refuses', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const client = await Peer.start(stage);
  const started = Date.now();
  await assert.rejects(client.connect('nobody-here'), (error: { code?: string }) => error.code === 'ECONNREFUSED');
  assert.ok(Date.now() - started < 2000, `took ${Date.now() - started} ms`);
});

test('[A2] a bind of /224 takes every member, a bind of one member takes its own', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [all, one, client] = await Promise.all([Peer.start(stage), Peer.start(stage), Peer.start(stage)]);
  const { address } = await all.listen('shards', 'name', { bits: 224 });
  const id = address.id.replace(/\/.*$/, '');
  await one.listen(memberOf(id, 7), 'name');
  const reached = async (name: string): Promise<string> => {
    const { replies, failures } = await client.connectMany(name, 1, 1);
    return Object.keys(replies)[0] ?? Object.keys(failures)[0] ?? '';
  };
  assert.equal(await reached(id), `${all.pid}`);
  assert.equal(await reached(memberOf(id, 1)), `${all.pid}`);
  assert.equal(await reached(memberOf(id, 0xffffffff)), `${all.pid}`);
  assert.equal(await reached(memberOf(id, 7)), `${one.pid}`);
  assert.equal(await reached('shards-2'), 'ECONNREFUSED');
});

test('[A5] listening registers, closing unregisters at once and refuses who dials after it', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const instances = async (): Promise<number> => {
    const { services } = await stage.caracalJson<{ services: { name?: string; id: string; instances: unknown[] }[] }>([
      'ls',
    ]);
    return services.find(({ id }) => id === address.id)?.instances.length ?? 0;
  };
  const { server: listener, address } = await server.listen('shortlived', 'echo');
  assert.equal(address.registered, true);
  assert.equal(await instances(), 1);
  const connection = await client.connect('shortlived');

  const closedAt = Date.now();
  await server.close(listener);
  await assert.rejects(client.connect('shortlived'), (error: { code?: string }) => error.code === 'ECONNREFUSED');
  assert.ok(Date.now() - closedAt < 1500, `refused after ${Date.now() - closedAt} ms: long before any lease`);
  await until('the table forgets it', async () => (await instances()) === 0, 3000);
  assert.equal(await client.exchange(connection, 'still here'), 'still here');

  await server.listen('shortlived', 'echo');
  assert.equal(await client.exchange(await client.connect('shortlived'), 'again'), 'again');
});

test('[A5] dials that race with a close are served or refused at once, never left waiting', {
  timeout: 60_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: listener } = await server.listen('racing', 'name');
  const from = Date.now();
  const dialing = client.connectMany('racing', 600, 32);
  await until('some are through', async () => (await server.accepted(listener)).length > 100);
  await server.close(listener);
  const { replies, failures } = await dialing;
  const served = replies[server.pid] ?? 0;
  assert.ok(served > 100 && served < 600, `${served} served`);
  // Those whose handshake was under way are let in; nobody is reset.
  const { ECONNREFUSED = 0, ...others } = failures;
  assert.deepEqual(others, {});
  assert.equal(served + ECONNREFUSED, 600);
  assert.ok(Date.now() - from < 6000, `took ${Date.now() - from} ms`);
});

test('[A6] the suites that node:net passes pass over services', { timeout: 300_000 }, () => {
  const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'conformance');
  assert.ok(existsSync(folder), 'there is no conformance suite');
  const files = readdirSync(folder)
    .filter((name) => name === 'net.test.js' || name === 'caracal.test.js')
    .map((name) => join(folder, name));
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  const args = ['--test', '--test-reporter=tap', ...files];
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8', maxBuffer: 64 << 20 });
  const passed = Number(stdout.match(/^# pass (\d+)$/m)?.[1]);
  assert.equal(status, 0, stdout.slice(-4000));
  assert.ok(passed >= 50, `only ${passed} tests ran`);
});
