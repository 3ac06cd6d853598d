// Names: the ids behind them, and where a person's own names come from. Applications see names and never addresses.

import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Stage } from './harness.ts';
import { Peer } from './peer.ts';

interface IdAnswer {
  readonly id: string;
}

test('[N1] a name has one serviceID; id, name and prefix lead to the same service', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [web, again, other] = await Promise.all(
    ['web', 'WEB', 'other'].map((name) => stage.caracalJson<IdAnswer>(['id', name])),
  );
  assert.match(web?.id ?? '', /^[a-z2-7]{51}[aq]$/);
  assert.equal(again?.id, web?.id);
  assert.notEqual(other?.id, web?.id);
  const id = web?.id ?? '';
  assert.equal((await stage.caracalJson<IdAnswer>(['id', id])).id, id);

  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { address } = await server.listen('web', 'echo');
  assert.equal(address.id, id);
  for (const name of ['web', id, id.toUpperCase()])
    assert.equal(await client.exchange(await client.connect(name), 'same service'), 'same service');
});

test('[N1] a text that is neither a name nor a serviceID is refused', async (t) => {
  const stage = new Stage(t);
  const { id } = await stage.caracalJson<IdAnswer>(['id', 'web']);
  const bad = ['', 'two words', `${id}/257`, `${id}/-1`, `${id}/x`, `${id}/8/8`, `web/300`, 'a'.repeat(300), 'über/1'];
  const answers = await Promise.all(bad.map((text) => stage.caracalOnce(['id', text])));
  for (const [i, { code, stderr, stdout }] of answers.entries()) {
    assert.equal(code, 2, `"${bad[i]}": ${stdout}${stderr}`);
    assert.match(stderr, /^caracal: /, `"${bad[i]}"`);
  }
});

test('[N3] an application sees services, never addresses', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: listener } = await server.listen('shy', 'echo');
  const connection = await client.connect('shy');
  await client.exchange(connection, 'hello');
  const seen = await client.call<Record<string, unknown>>('apiOf', { connection });
  assert.equal(seen['remoteAddress'], null);
  assert.equal(seen['remoteService'], 'shy');
  const [accepted] = await server.accepted(listener);
  assert.equal(accepted?.localService, 'shy');
  const everything = JSON.stringify([seen, accepted, await server.call('datagramBind', { service: 'shy-too' })]);
  assert.doesNotMatch(everything, /\d+\.\d+\.\d+\.\d+|::1|\[::/, everything);
  const routerPort = stage.routerAddress?.split(':')[1] ?? '';
  assert.ok(!everything.includes(`:${routerPort}`), everything);
});

test('[N4] an alias file gives a service a name of one’s own', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { address } = await server.listen('warehouse-7', 'name');
  const aliases = join(stage.folder, 'aliases');
  writeFileSync(aliases, `# mine\nshop ${address.id}   # the one in town\n`);
  const client = await Peer.start(stage, { env: { CARACAL_ALIASES: aliases } });
  const stranger = await Peer.start(stage, { env: { CARACAL_ALIASES: join(stage.folder, 'none') } });
  assert.deepEqual((await client.connectMany('shop', 1, 1)).replies, { [server.pid]: 1 });
  assert.deepEqual((await stranger.connectMany('shop', 1, 1)).failures, { ECONNREFUSED: 1 });
});

test('[N4] the router’s directory answers for those who have no alias', async (t) => {
  const stage = new Stage(t);
  const { id } = await stage.caracalJson<IdAnswer>(['id', 'warehouse-8']);
  const names = join(stage.folder, 'names');
  writeFileSync(names, `store ${id}\n`);
  await stage.router(['--names', names]);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  await server.listen('warehouse-8', 'name');
  assert.deepEqual((await client.connectMany('store', 1, 1)).replies, { [server.pid]: 1 });
  assert.deepEqual((await client.connectMany('unheard-of', 1, 1)).failures, { ECONNREFUSED: 1 });
});
