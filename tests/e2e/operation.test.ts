// What an operator reads: services, instances, rules and flows, as tables and as JSON; the state of the machine; and
// the demo, which is the first thing that anybody runs.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { lastLine, root, Stage, until } from './harness.ts';
import { Peer } from './peer.ts';

interface Flow {
  readonly service: string;
  readonly role: string;
  readonly state: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly localFlow: string;
  readonly remoteFlow: string;
  readonly rttUs: number;
}

test('[O1] services and instances can be read', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const peers = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const addresses = await Promise.all(peers.map((peer, i) => peer.listen('catalogue', 'echo', { weight: 10 + i })));
  const id = addresses[0]?.address.id ?? '';
  const { services } = await stage.caracalJson<{ services: { id: string; instances: unknown[] }[] }>(['ls']);
  assert.equal(services.find((service) => service.id === id)?.instances.length, 2);
  const { service } = await stage.caracalJson<{
    service: { id: string; instances: { weight: number; leaseMs: number }[] };
  }>(['describe', 'catalogue']);
  assert.deepEqual(service.instances.map(({ weight }) => weight).sort(), [10, 11]);
  assert.ok(service.instances.every(({ leaseMs }) => leaseMs > 0 && leaseMs <= 15_000));
  for (const args of [['ls'], ['describe', 'catalogue'], ['rules']]) {
    const { code, stdout } = await stage.caracalOnce(args);
    assert.equal(code, 0);
    assert.ok(stdout.includes(id.slice(0, 8)) || stdout.includes('catalogue'), `${args.join(' ')}:\n${stdout}`);
  }
});

test('[O1] flows can be read while they run, from both ends', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const service = `watched-${process.pid}`;
  await server.listen(service, 'echo');
  const { id } = await stage.caracalJson<{ id: string }>(['id', service]);
  const connection = await client.connect(service);
  await client.exchange(connection, 'x'.repeat(1000));
  const flows = async (): Promise<Flow[]> => {
    const answer = await stage.caracalJson<{ flows: Flow[] }>(['flows']);
    return answer.flows.filter((flow) => flow.service === service || flow.service === id);
  };
  const [one, two] = await until('both ends are shown', async () => {
    const list = await flows();
    return list.length === 2 && list;
  });
  assert.deepEqual([one?.role, two?.role].sort(), ['client', 'server']);
  assert.equal(one?.localFlow, two?.remoteFlow);
  assert.equal(one?.remoteFlow, two?.localFlow);
  for (const flow of [one, two]) {
    assert.match(flow?.state ?? '', /ESTABLISHED/i);
    assert.ok((flow?.bytesIn ?? 0) >= 1000 && (flow?.bytesOut ?? 0) >= 1000, JSON.stringify(flow));
  }
  await client.call('destroy', { connection });
  await until('they are gone', async () => (await flows()).every(({ state }) => !/ESTABLISHED/i.test(state)));
});

test('[O1] doctor says what this machine gives and where the router is', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const { code, stdout, stderr } = await stage.caracalOnce(['doctor']);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /offload|dgram/);
  assert.match(stdout, /addresses +changes are (told at once|noticed within 3 s)/);
  assert.ok(stdout.includes(stage.routerAddress ?? ''), stdout);
});

test('operation: npm start shows the main job and says how it went', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t);
  const started = Date.now();
  const demo = stage.start('npm', ['start', '--silent', '--', '--json'], { cwd: root });
  const { code } = await demo.exit(100_000);
  assert.equal(code, 0, demo.describe());
  const summary = JSON.parse(lastLine(demo.stdout)) as DemoSummary;
  assert.equal(summary['ok'], true);
  assert.equal(summary['bytes'], 256 << 20);
  assert.equal(summary['sha256Ok'], true);
  assert.ok(Number(summary['seconds']) > 0);
  // What the router gets grows with time, by leases and heartbeats, and a busy machine takes its time.
  assert.ok(Number(summary['directPackets']) > 5 * Number(summary['routerPackets']), JSON.stringify(summary));
  assert.equal(summary.instances.length, 3);
  assert.equal(summary.instances.filter(({ stopped, killed }) => stopped !== killed).length, 2);
  for (const pauses of [summary.migrations, summary.failovers]) {
    assert.ok(pauses.length > 0, JSON.stringify(summary));
    for (const { pauseMs } of pauses) assert.ok(pauseMs >= 0 && pauseMs < 10_000, `a pause of ${pauseMs} ms`);
  }
  assert.ok(Date.now() - started < 60_000, `took ${Date.now() - started} ms`);
});

interface DemoSummary extends Record<string, unknown> {
  readonly instances: readonly { readonly stopped: boolean; readonly killed: boolean }[];
  readonly migrations: readonly { readonly pauseMs: number }[];
  readonly failovers: readonly { readonly pauseMs: number }[];
}
