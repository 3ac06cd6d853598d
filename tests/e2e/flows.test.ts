// One flow on the wire and in the hands of the application: the handshake, what demultiplexes, how it ends.

import { strict as assert } from 'node:assert';
import { type TestContext, test } from 'node:test';
import { parseServiceId, seededRandom } from '../../src/core/base/index.ts';
import { synBytes } from '../../src/core/wire/index.ts';
import { createLink } from '../../src/io/index.ts';
import { contentHash } from './content.ts';
import { Stage, until } from './harness.ts';
import { makeSyn } from './hostile-packets.ts';
import { Peer } from './peer.ts';
import type { Mode } from './programs/peer.ts';
import { Shim, type TracedPacket } from './shim.ts';

const mib = 1 << 20;

test('[P2] SYN by name, SYN-ACK straight from the instance, ACK with data: a flowID on each side', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  await server.listen('traced', 'echo');
  const shim = await Shim.start(stage, { trace: true });
  const client = await Peer.start(stage, { env: { CARACAL_ROUTER: shim.address } });
  const connection = await client.connect('traced');
  assert.equal(await client.exchange(connection, 'ping'), 'ping');

  const trace = await shim.trace();
  const at = trace.findIndex(({ control }) => control?.flags === 'SYN');
  const [syn, synAck, ...rest] = trace.slice(at).filter(({ protocol }) => protocol === 6) as [
    TracedPacket,
    TracedPacket,
    ...TracedPacket[],
  ];
  assert.equal(syn.direction, 'out');
  assert.equal(syn.peer, stage.routerAddress);
  assert.equal(syn.bytes, 1100);
  assert.equal(syn.flow, '0'.repeat(16));
  assert.equal(syn.control?.attempt, 0);
  assert.equal(synAck.direction, 'in');
  assert.equal(synAck.control?.flags, 'SYN|ACK');
  assert.notEqual(synAck.peer, stage.routerAddress, 'the answer came through the router');
  assert.equal(synAck.flow, syn.control?.sourceFlow);
  assert.ok(synAck.bytes <= syn.bytes, 'an answer longer than the question amplifies');
  const serverFlow = synAck.control?.sourceFlow;
  assert.notEqual(serverFlow, syn.control?.sourceFlow);
  for (const packet of rest) {
    assert.equal(packet.peer, synAck.peer, 'a later packet passed the router');
    assert.equal(packet.flow, packet.direction === 'out' ? serverFlow : syn.control?.sourceFlow);
  }
  assert.ok(rest.some(({ direction, payloadBytes }) => direction === 'out' && payloadBytes > 20));
});

test('flows: first packets that the kernel joined into one super-packet are all resolved', async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { address } = await server.listen('burst', 'hold');
  const random = seededRandom(9);
  const link = createLink({ callbacks: { received() {}, drained() {}, writable() {}, unreachable() {} } });
  t.after(() => link.close());
  await link.ready;
  const count = 8;
  for (let i = 0; i < count; i++)
    link.sendBuffer.set(makeSyn({ service: parseServiceId(address.id), random }), i * synBytes);
  const [host = '', port = ''] = stage.routerAddress?.split(':') ?? [];
  const remote = { address: Uint8Array.from(host.split('.').map(Number)), port: Number(port) };
  link.send(link.sendBuffer, count * synBytes, synBytes, count, remote, false);
  await until(
    'all are counted',
    async () => {
      const { service } = await stage.caracalJson<{ service: { resolved: number } }>(['describe', 'burst']);
      return service.resolved === count;
    },
    5000,
  );
});

test('[P3] the client’s address changes mid-flow and everything is still delivered', {
  timeout: 120_000,
}, async (t) => {
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { server: listener } = await server.listen('steady', 'hash');
  const shim = await Shim.start(stage, { delayMs: 2 });
  const client = await Peer.start(stage, { env: { CARACAL_ROUTER: shim.address } });
  const connection = await client.connect('steady');
  const bytes = 24 * mib;
  const sending = client.send(connection, bytes, 3);
  for (const share of [0.2, 0.6]) {
    await until(
      'a part has arrived',
      async () => {
        const [accepted] = await server.accepted(listener);
        return (accepted?.bytes ?? 0) > share * bytes;
      },
      60_000,
    );
    await shim.rebind();
  }
  await sending;
  const answer = await client.received(connection);
  assert.equal(answer.error, undefined);
  const [accepted] = await server.accepted(listener);
  assert.equal(accepted?.bytes, bytes);
  assert.equal(accepted?.sha256, contentHash(bytes, 3));
});

test('[P4] half-close: one direction ends, the other goes on', async (t) => {
  const { server, listener, client } = await pair(t, 'half', 'hash');
  const connection = await client.connect('half', { allowHalfOpen: true });
  await client.send(connection, 300_000, 4);
  const look = await client.received(connection);
  assert.ok(look.bytes > 0, 'the answer came after our end');
  const [accepted] = await server.accepted(listener);
  assert.equal(accepted?.sha256, contentHash(300_000, 4));
  assert.deepEqual(await closedTrace(() => client.look(connection)), ['connect', 'finish', 'end', 'close']);
  assert.deepEqual(await closedTrace(async () => (await server.accepted(listener))[0]), ['end', 'finish', 'close']);
});

test('[P4] orderly close from either side, and from both at once', async (t) => {
  const { server, listener, client } = await pair(t, 'orderly', 'echo');
  const first = await client.connect('orderly');
  await client.exchange(first, 'x');
  await client.call('end', { connection: first });
  const clientTrace = await closedTrace(() => client.look(first));
  assert.ok(!clientTrace.includes('error'), clientTrace.join());
  assert.equal(clientTrace.at(-1), 'close');
  const serverTrace = await closedTrace(async () => (await server.accepted(listener))[0]);
  assert.ok(!serverTrace.includes('error') && serverTrace.includes('end'), serverTrace.join());

  const { server: source } = await server.listen('both', 'source', { bytes: 10, seed: 1 });
  const second = await client.connect('both');
  await client.call('end', { connection: second });
  const trace = await closedTrace(() => client.look(second));
  assert.ok(!trace.includes('error') && trace.includes('end'), trace.join());
  const other = await closedTrace(async () => (await server.accepted(source))[0]);
  assert.ok(!other.includes('error'), other.join());
});

test('[P4] an abort reaches the other side as ECONNRESET', async (t) => {
  const { server, listener, client } = await pair(t, 'abrupt', 'hold');
  const byClient = await client.connect('abrupt');
  await client.call('reset', { connection: byClient });
  const accepted = await until('the server sees it', async () => {
    const [look] = await server.accepted(listener);
    return look?.closed && look;
  });
  assert.equal(accepted.error, 'ECONNRESET');

  const byServer = await client.connect('abrupt');
  await until('accepted', async () => (await server.accepted(listener)).length === 2);
  await server.call('abortAccepted', { server: listener, index: 1 });
  const look = await client.received(byServer);
  assert.equal(
    (await until('closed', async () => (await client.look(byServer)).closed && client.look(byServer))).error,
    'ECONNRESET',
  );
  assert.equal(look.bytes, 0);
});

test('flows: IPv6 carries the same', async (t) => {
  const stage = new Stage(t);
  await stage.router([], { host: '::1' });
  assert.match(stage.routerAddress ?? '', /^\[/);
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  await server.listen('six', 'source', { bytes: 4 * mib, seed: 6 });
  const look = await client.received(await client.connect('six'));
  assert.equal(look.sha256, contentHash(4 * mib, 6));
});

for (const [from, to] of [
  ['dgram', 'offload'],
  ['offload', 'dgram'],
  ['dgram', 'dgram'],
] as const) {
  test(`flows: the ${from} link talks to the ${to} link`, async (t) => {
    const stage = new Stage(t);
    await stage.router([], { env: { CARACAL_LINK: from } });
    const server = await Peer.start(stage, { env: { CARACAL_LINK: from } });
    const client = await Peer.start(stage, { env: { CARACAL_LINK: to } });
    await server.listen('linked', 'source', { bytes: 4 * mib, seed: 7 });
    const look = await client.received(await client.connect('linked'));
    assert.equal(look.sha256, contentHash(4 * mib, 7));
  });
}

interface Pair {
  readonly server: Peer;
  readonly client: Peer;
  readonly listener: number;
}

async function pair(t: TestContext, service: string, mode: Mode): Promise<Pair> {
  const stage = new Stage(t);
  await stage.router();
  const [server, client] = await Promise.all([Peer.start(stage), Peer.start(stage)]);
  const { server: listener } = await server.listen(service, mode);
  return { server, client, listener };
}

/** The events of a connection, once it has closed. */
async function closedTrace(
  look: () => Promise<{ closed: boolean; trace: readonly string[] } | undefined>,
): Promise<readonly string[]> {
  const seen = await until('closed', async () => {
    const now = await look();
    return now?.closed && now;
  });
  return seen.trace;
}
