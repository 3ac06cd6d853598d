// Control: the rules in an operator's hand, leases that lapse with the instance, and a router that comes back empty.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { Stage, sleep, until } from './harness.ts';
import { Peer } from './peer.ts';

interface RulesAnswer {
  readonly rules: readonly {
    service: string;
    bits: number;
    targets: readonly {
      owner: string;
      action: string;
      locator?: string;
      weight: number;
      priority: number;
      instance: string;
    }[];
  }[];
}

interface Services {
  readonly services: readonly {
    name?: string;
    id: string;
    instances: readonly { instance: string; weight: number }[];
  }[];
}

async function instancesOf(stage: Stage, id: string): Promise<number> {
  const { services } = await stage.caracalJson<Services>(['ls']);
  return services.find((service) => service.id === id)?.instances.length ?? 0;
}

test('[C1] rules are added, changed, read and removed, and each change counts at once', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const { id } = await stage.caracalJson<{ id: string }>(['id', 'ledger']);
  const read = async () =>
    (await stage.caracalJson<RulesAnswer>(['rules'])).rules.find(({ service }) => service === id);
  assert.equal(await read(), undefined);

  await stage.caracalJson(['rules', 'add', 'ledger', 'forward', '127.0.0.1:4001', '127.0.0.1:4002', '--weight', '30']);
  assert.deepEqual(
    (await read())?.targets
      .map(({ owner, action, locator, weight }) => ({ owner, action, locator, weight }))
      .sort((a, b) => (a.locator ?? '').localeCompare(b.locator ?? '')),
    ['127.0.0.1:4001', '127.0.0.1:4002'].map((locator) => ({
      owner: 'static',
      action: 'forward',
      locator,
      weight: 30,
    })),
  );
  await stage.caracalJson([
    'rules',
    'set',
    'ledger',
    '--locator',
    '127.0.0.1:4002',
    '--weight',
    '70',
    '--priority',
    '5',
  ]);
  const changed = (await read())?.targets.find(({ locator }) => locator === '127.0.0.1:4002');
  assert.deepEqual([changed?.weight, changed?.priority], [70, 5]);
  await stage.caracalJson(['rules', 'rm', 'ledger', '127.0.0.1:4001']);
  assert.deepEqual(
    (await read())?.targets.map(({ locator }) => locator),
    ['127.0.0.1:4002'],
  );
  await stage.caracalJson(['rules', 'rm', 'ledger']);
  assert.equal(await read(), undefined);

  const gone = await stage.caracalOnce(['rules', 'rm', 'ledger']);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /no rule/);
});

test('[C1] a weight set by hand changes what registered instances get', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [one, two, client] = await Promise.all([Peer.start(stage), Peer.start(stage), Peer.start(stage)]);
  const { address } = await one.listen('tilted', 'name');
  await two.listen('tilted', 'name');
  const { services } = await stage.caracalJson<Services>(['ls']);
  const [first] = services.find(({ id }) => id === address.id)?.instances ?? [];
  await stage.caracalJson(['rules', 'set', 'tilted', '--instance', first?.instance ?? '', '--weight', '0']);
  const { replies } = await client.connectMany('tilted', 30, 6);
  assert.equal(Object.keys(replies).length, 1, JSON.stringify(replies));
});

test('[C3] kill -9 of an instance: its entry is gone within the lease', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router(['--lease', '2s']);
  const [doomed, other, client] = await Promise.all([Peer.start(stage), Peer.start(stage), Peer.start(stage)]);
  const { address } = await doomed.listen('mortal', 'name');
  await other.listen('mortal', 'name');
  // A refresh keeps it for longer than one lease.
  await sleep(3000);
  assert.equal(await instancesOf(stage, address.id), 2);

  doomed.child.signal('SIGKILL');
  await doomed.child.exited;
  const killedAt = Date.now();
  await until('one instance is left', async () => (await instancesOf(stage, address.id)) === 1, 4000);
  assert.ok(Date.now() - killedAt < 3000, `gone after ${Date.now() - killedAt} ms, the lease is 2 s`);
  const { replies, failures } = await client.connectMany('mortal', 20, 4);
  assert.deepEqual({ replies, failures }, { replies: { [other.pid]: 20 }, failures: {} });
});

test('[C3] its silence ends an entry long before the lease that is the default', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const doomed = await Peer.start(stage);
  const { address } = await doomed.listen('mortal', 'name');
  doomed.child.signal('SIGKILL');
  await doomed.child.exited;
  const killedAt = Date.now();
  await until('it is gone', async () => (await instancesOf(stage, address.id)) === 0, 7000);
  const tookMs = Date.now() - killedAt;
  assert.ok(tookMs < 6000, `gone after ${tookMs} ms`);
});

test('control: a dial while a dead instance is still listed meets the live one', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [doomed, other, client] = await Promise.all([Peer.start(stage), Peer.start(stage), Peer.start(stage)]);
  await doomed.listen('pair', 'name');
  await other.listen('pair', 'name');
  doomed.child.signal('SIGKILL');
  await doomed.child.exited;
  const { replies, failures } = await client.connectMany('pair', 12, 12);
  assert.deepEqual({ replies, failures }, { replies: { [other.pid]: 12 }, failures: {} });
});

test('control: the router restarts; instances register again, flows never notice', { timeout: 60_000 }, async (t) => {
  const stage = new Stage(t);
  const router = await stage.router(['--lease', '2s']);
  const port = Number(stage.routerAddress?.split(':')[1]);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { address } = await server.listen('durable', 'echo');
  const connection = await client.connect('durable');
  await client.exchange(connection, 'before');

  router.signal('SIGKILL');
  await router.exited;
  assert.equal(await client.exchange(connection, 'while it is away'), 'while it is away');
  await stage.router(['--lease', '2s'], { port });
  assert.equal(await client.exchange(connection, 'after'), 'after');
  await until('it is registered again', async () => (await instancesOf(stage, address.id)) === 1, 6000);
  assert.equal(await client.exchange(await client.connect('durable'), 'new'), 'new');
  const look = await client.look(connection);
  assert.deepEqual([look.closed, look.error], [false, undefined]);
});
