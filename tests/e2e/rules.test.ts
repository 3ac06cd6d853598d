// The service table at work in a real router: which instance a first packet meets, and what the counters say of it.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { formatServiceId, memberOffset, parseServiceId } from '../../src/core/base/index.ts';
import { Stage, until } from './harness.ts';
import { type ListenOptions, Peer } from './peer.ts';

interface Target {
  readonly owner: string;
  readonly instance: string;
  readonly action: string;
  readonly locator?: string;
  readonly priority: number;
  readonly weight: number;
  readonly resolved: number;
}

interface Rule {
  readonly service: string;
  readonly bits: number;
  readonly resolved: number;
  readonly dropped: number;
  readonly targets: readonly Target[];
}

class Table {
  readonly stage: Stage;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  async rules(id: string): Promise<Rule[]> {
    const { rules } = await this.stage.caracalJson<{ rules: Rule[] }>(['rules']);
    return rules.filter(({ service }) => service === id);
  }

  /** Changes it; fails unless the command does what it says. */
  async change(...args: string[]): Promise<void> {
    await this.stage.caracalJson(['rules', ...args]);
  }
}

async function stageWithRouter(t: TestContext): Promise<{ stage: Stage; table: Table; client: Peer }> {
  const stage = new Stage(t);
  await stage.router();
  return { stage, table: new Table(stage), client: await Peer.start(stage) };
}

/** An instance of `service` that answers with its pid. */
async function instance(stage: Stage, service: string, options: ListenOptions = {}) {
  const peer = await Peer.start(stage);
  const { address, server } = await peer.listen(service, 'name', options);
  return { peer, server, pid: `${peer.pid}`, id: address.id };
}

function memberOf(id: string, member: number): string {
  const bytes = parseServiceId(id.replace(/\/.*$/, ''));
  new DataView(bytes.buffer).setUint32(memberOffset, member);
  return formatServiceId(bytes);
}

test('[S1] the longest prefix decides, and a removed rule uncovers the shorter one', async (t) => {
  const { stage, table, client } = await stageWithRouter(t);
  const wide = await instance(stage, 'store', { bits: 224 });
  const narrow = await instance(stage, memberOf(wide.id, 5));
  const reach = async (member: number) => (await client.connectMany(memberOf(wide.id, member), 1, 1)).replies;
  assert.deepEqual(await reach(4), { [wide.pid]: 1 });
  assert.deepEqual(await reach(5), { [narrow.pid]: 1 });
  const [rule] = await table.rules(memberOf(wide.id, 0));
  assert.equal(rule?.bits, 224);
  assert.equal(rule?.targets[0]?.action, 'forward');
  await table.change('add', memberOf(wide.id, 5), 'forward', rule?.targets[0]?.locator ?? '', '--priority', '60000');
  assert.deepEqual(await reach(5), { [wide.pid]: 1 }, 'a static next hop of higher priority at the longer prefix');
  await table.change('rm', memberOf(wide.id, 5));
  assert.deepEqual(await reach(5), { [narrow.pid]: 1 });
  await narrow.peer.close(narrow.server);
  await until('the longer rule is gone', async () => (await table.rules(memberOf(wide.id, 5))).length === 0);
  assert.deepEqual(await reach(5), { [wide.pid]: 1 });
});

test('[S2] a backup of lower priority is used only without the primary', async (t) => {
  const { stage, client } = await stageWithRouter(t);
  const backup = await instance(stage, 'db', { priority: 50 });
  const primary = await instance(stage, 'db', { priority: 150 });
  assert.deepEqual((await client.connectMany('db', 40, 8)).replies, { [primary.pid]: 40 });
  await primary.peer.close(primary.server);
  assert.deepEqual((await client.connectMany('db', 40, 8)).replies, { [backup.pid]: 40 });
  await primary.peer.listen('db', 'name', { priority: 150 });
  assert.deepEqual((await client.connectMany('db', 40, 8)).replies, { [primary.pid]: 40 });
});

test('[S3] 10,000 connects split as the weights say (chi-square)', { timeout: 180_000 }, async (t) => {
  const { stage, client } = await stageWithRouter(t);
  const weights = [100, 200, 500];
  const instances = await Promise.all(weights.map((weight) => instance(stage, 'split', { weight })));
  const count = 10_000;
  const { replies, failures } = await client.connectMany('split', count, 32);
  assert.deepEqual(failures, {});
  const sum = weights.reduce((a, b) => a + b);
  const chiSquare = weights.reduce((total, weight, i) => {
    const expected = (count * weight) / sum;
    return total + ((replies[instances[i]?.pid ?? ''] ?? 0) - expected) ** 2 / expected;
  }, 0);
  // 2 degrees of freedom: chance exceeds 27.6 once in a million runs. An even split would give about 2,900.
  assert.ok(chiSquare < 27.6, `chi-square ${chiSquare}: ${JSON.stringify(replies)}`);
});

test('[S5] a DROP rule refuses at once, and only what it names', async (t) => {
  const { stage, table, client } = await stageWithRouter(t);
  const shop = await instance(stage, 'shop');
  const other = await instance(stage, 'open');
  await table.change('add', shop.id, 'drop');
  const from = Date.now();
  await assert.rejects(
    client.connect('shop'),
    (error: { code?: string; reason?: string }) => error.code === 'ECONNREFUSED' && error.reason === 'policy-drop',
  );
  assert.ok(Date.now() - from < 900, `refused after ${Date.now() - from} ms`);
  assert.deepEqual((await client.connectMany('open', 1, 1)).replies, { [other.pid]: 1 });
  const [rule] = await table.rules(shop.id);
  assert.ok((rule?.dropped ?? 0) >= 1);
  await table.change('rm', shop.id);
  assert.deepEqual((await client.connectMany('shop', 1, 1)).replies, { [shop.pid]: 1 });
});

test('[S6] the counters of a rule are the connections that its targets saw', async (t) => {
  const { stage, table, client } = await stageWithRouter(t);
  const instances = await Promise.all([1, 2].map(() => instance(stage, 'counted')));
  const { replies } = await client.connectMany('counted', 50, 4);
  const [rule] = await table.rules(instances[0]?.id ?? '');
  assert.equal(rule?.resolved, 50);
  const perTarget = rule?.targets.map(({ resolved }) => resolved).sort();
  assert.deepEqual(perTarget, Object.values(replies).sort());
  assert.equal(Object.keys(replies).length, 2);
});

test('[S7] one packet of each flow passes the router, however much it carries', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const router = await stage.router(['--json']);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { address } = await server.listen('bulk', 'source', { bytes: 2_000_000, seed: 1 });
  const flows = 10;
  for (let i = 0; i < flows; i++) {
    const look = await client.received(await client.connect('bulk'));
    assert.equal(look.bytes, 2_000_000);
  }
  const [rule] = await new Table(stage).rules(address.id);
  assert.equal(rule?.resolved, flows);
  await router.stop();
  const counters = JSON.parse(router.stdout.trimEnd().split('\n').at(-1) ?? '') as { packetsIn: number };
  // Beside the SYNs: registrations and their refreshes, two stacks that looked for the router, one `caracal rules`.
  assert.ok(counters.packetsIn >= flows && counters.packetsIn < flows + 100, JSON.stringify(counters));
});

test('[S10] a flow keeps its instance while others come, go and are reweighted', { timeout: 60_000 }, async (t) => {
  const { stage, table, client } = await stageWithRouter(t);
  const service = 'churn';
  const open = async () => {
    const peer = await Peer.start(stage);
    const { server, address } = await peer.listen(service, 'echo');
    return { peer, server, id: address.id };
  };
  const instances = [await open(), await open()];
  const connections: number[] = [];
  for (let i = 0; i < 12; i++) connections.push(await client.connect(service));
  const counts = () =>
    Promise.all(
      instances.map(async ({ peer, server }) => (await peer.accepted(server)).filter(({ closed }) => !closed).length),
    );
  // The client is through before its last ACK has reached the server.
  const before = await until('all are accepted', async () => {
    const now = await counts();
    return now.reduce((a, b) => a + b) === connections.length && now;
  });

  for (let round = 0; round < 3; round++) {
    const joined = await open();
    await table.change('set', joined.id, '--weight', `${50 + 400 * round}`);
    for (const [i, connection] of connections.entries())
      assert.equal(await client.exchange(connection, `round ${round}.${i}`), `round ${round}.${i}`);
    await joined.peer.close(joined.server);
  }
  await instances[0]?.peer.close(instances[0].server);
  for (const connection of connections) assert.equal(await client.exchange(connection, 'last'), 'last');
  assert.deepEqual(await counts(), before);
});
