// Processes that are killed, processes that hang, links that are cut: how soon clients and the router know, and that an
// end which was given up does no harm when it comes back.

import { strict as assert } from 'node:assert';
import { constants, setPriority } from 'node:os';
import { test } from 'node:test';
import { isRoot, needsPrograms, needsRoot, Stage, sleep, until } from './harness.ts';
import { type Look, Peer } from './peer.ts';
import { inside, Topology } from './topology.ts';

/** 4 MB a second: what is measured is not how long the processors take. */
const steady = { bytes: 20_000 };

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** A download in its middle. */
async function flowing(client: Peer, connection: number): Promise<void> {
  const from = (await client.look(connection)).bytes;
  await until('bytes come', async () => (await client.look(connection)).bytes > from + 100_000);
}

/** What else this machine has to do is not what is measured. */
function hurry({ pid }: Peer): void {
  if (isRoot) setPriority(pid, constants.priority.PRIORITY_HIGHEST);
}

function assertLost({ error, reason }: Look): void {
  assert.deepEqual([error, reason], ['ECONNRESET', 'peer-lost']);
}

/** From the last byte to the error, ms. */
async function timeToLearn(stage: Stage, client: Peer, service: string): Promise<number> {
  const server = await Peer.start(stage);
  hurry(server);
  await server.listen(service, 'drip', steady);
  const connection = await client.connect(service);
  await flowing(client, connection);
  server.child.signal('SIGKILL');
  const look = await client.received(connection, 10_000);
  assertLost(look);
  return look.errorAt - look.dataAt;
}

test('[F1] kill -9 of a server in the middle of a download: its client knows within 100 ms', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const client = await Peer.start(stage);
  hurry(client);
  let best = Number.POSITIVE_INFINITY;
  // A killed process keeps its port until the machine has found time to end it: a busy one has three tries.
  for (let round = 0; round < 3 && best >= 100; round++) {
    const times: number[] = [];
    for (let i = 0; i < 10; i++) times.push(await timeToLearn(stage, client, `stream-${round}-${i}`));
    t.diagnostic(
      `ms from the last byte to the error: ${times.map(Math.round).join(' ')}; median ${Math.round(median(times))}`,
    );
    best = Math.min(best, median(times));
  }
  assert.ok(best < 100, `${best} ms`);
});

test('[F1] kill -9 of a client in the middle of its upload: the server knows, too', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const client = await Peer.start(stage);
  const { server: index } = await server.listen('inbox', 'hash');
  const connection = await client.connect('inbox');
  await client.call('drip', { connection, ...steady });
  await until('bytes come', async () => ((await server.accepted(index))[0]?.bytes ?? 0) > 1_000_000);
  client.child.signal('SIGKILL');
  const [look] = await until('the server knows', async () => {
    const accepted = await server.accepted(index);
    return accepted[0]?.closed && accepted;
  });
  assertLost(look!);
  assert.ok(look!.errorAt - look!.dataAt < 1_000, `${look!.errorAt - look!.dataAt} ms`);
});

test('[F1] a server that hangs is given up before three heartbeats are missed, and does no harm when it comes back', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: index } = await server.listen('stream', 'drip', steady);
  const connection = await client.connect('stream');
  await flowing(client, connection);
  t.after(() => server.child.signal('SIGCONT'));
  server.child.signal('SIGSTOP');
  const look = await client.received(connection, 10_000);
  assertLost(look);
  const tookMs = look.errorAt - look.dataAt;
  t.diagnostic(`${Math.round(tookMs)} ms from the last byte to the error`);
  assert.ok(tookMs < 3_000, `${tookMs} ms`);
  server.child.signal('SIGCONT');
  const [slow] = await until('the server is told', async () => {
    const accepted = await server.accepted(index);
    return accepted[0]?.closed && accepted;
  });
  assert.equal(slow?.reason, 'peer-lost');
  assert.equal((await client.look(connection)).bytes, look.bytes);
});

test('[F1] a server that works for long before it answers is not given up', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: index } = await server.listen('slow', 'hold');
  const connection = await client.connect('slow');
  await client.send(connection, 1_000, 1, false);
  await sleep(4_000);
  assert.equal((await client.look(connection)).closed, false);
  await server.call('abortAccepted', { server: index });
  assert.equal((await client.received(connection)).reason, 'aborted');
});

interface Services {
  readonly services: readonly { id: string; instances: readonly unknown[] }[];
}

test('[C4] a link is cut: what stood behind it is purged in three heartbeats, and is back when it is mended', {
  skip: needsRoot || needsPrograms('ip'),
}, async (t) => {
  const stage = new Stage(t);
  const topology = new Topology(t);
  const [middle, far] = [topology.host('middle'), topology.host('far')];
  const near = topology.host('near');
  topology.link(near, '10.70.1.2/24', middle, '10.70.1.1/24');
  const cut = topology.link(far, '10.70.2.2/24', middle, '10.70.2.1/24');
  for (const [host, gateway] of [
    [near, '10.70.1.1'],
    [far, '10.70.2.1'],
  ] as const)
    inside(host, 'ip', 'route', 'add', 'default', 'via', gateway);
  inside(middle, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
  // Leases of a minute: it is not their end that is seen.
  await stage.router(['--lease', '60s'], { host: '10.70.1.2', namespace: near });
  const env = { PEER_DRIVER: JSON.stringify({ leaseUs: 60_000_000 }) };
  const [server, client] = await Promise.all([
    Peer.start(stage, { namespace: far, env }),
    Peer.start(stage, { namespace: near, env }),
  ]);
  const { address } = await server.listen('stream', 'drip', steady);
  await client.listen('here', 'echo');
  const registered = async (): Promise<string[]> => {
    const { services } = await stage.caracalJson<Services>(['ls'], { namespace: near });
    return services.filter(({ instances }) => instances.length > 0).map(({ id }) => id);
  };
  assert.ok((await registered()).includes(address.id));
  const connection = await client.connect('stream');
  await flowing(client, connection);

  inside(middle, 'ip', 'link', 'set', cut.b, 'down');
  const cutAt = Date.now();
  const look = await client.received(connection, 10_000);
  assertLost(look);
  assert.ok(look.errorAt - look.dataAt < 3_000, `${look.errorAt - look.dataAt} ms`);
  const left = await until('it is purged', async () => {
    const ids = await registered();
    return !ids.includes(address.id) && ids;
  });
  const purgedMs = Date.now() - cutAt;
  t.diagnostic(`flow given up after ${Math.round(look.errorAt - look.dataAt)} ms, purged within ${purgedMs} ms`);
  assert.ok(purgedMs < 5_000, `${purgedMs} ms`);
  assert.ok(left.length > 0, 'what is still there stays');

  inside(middle, 'ip', 'link', 'set', cut.b, 'up');
  await until('it is back', async () => (await registered()).includes(address.id), 15_000);
});

test('[F1] a process that ends without closing anything says so: to its clients, its servers and the router', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  for (const link of ['offload', 'dgram']) {
    const env = { CARACAL_LINK: link };
    const [a, b] = await Promise.all([Peer.start(stage, { env }), Peer.start(stage, { env })]);
    const { address } = await a.listen(`stream-${link}`, 'drip', steady);
    const { server: index } = await b.listen(`inbox-${link}`, 'hold');
    const up = await b.connect(`stream-${link}`);
    await a.connect(`inbox-${link}`);
    await flowing(b, up);
    // It calls process.exit.
    a.child.endInput();
    const look = await b.received(up, 5_000);
    assert.deepEqual([look.error, look.reason], ['ECONNRESET', 'closed'], link);
    const [accepted] = await b.accepted(index);
    assert.equal(accepted?.reason, 'closed', link);
    const { services } = await stage.caracalJson<Services>(['ls']);
    assert.ok(
      services.every(({ id, instances }) => id !== address.id || instances.length === 0),
      link,
    );
  }
});
