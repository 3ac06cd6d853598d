// What strangers and peers may make a process hold (X3, X5): a half-open connection costs little, one address gets no more
// than its share, and peers that stall in the middle of a record leave nothing behind.

import { strict as assert } from 'node:assert';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { parseServiceId, seededRandom } from '../../src/core/base/index.ts';
import { Stage, sleep, until } from './harness.ts';
import { makeSyn } from './hostile-packets.ts';
import { Peer } from './peer.ts';
import { Shim } from './shim.ts';

const kib = 1024;
const mib = 1 << 20;

/** Environment of a peer with this driver. */
function withDriver(options: object): { env: { PEER_DRIVER: string } } {
  return { env: { PEER_DRIVER: JSON.stringify(options) } };
}

test('[X3] limits: a half-open connection costs 2 KiB at most', { timeout: 60_000 }, async (t) => {
  const count = 1000;
  const stage = new Stage(t);
  await stage.router();
  const limits = { halfOpen: 2 * count, halfOpenWithoutCookie: 2 * count, synsPerSecond: 1e6 };
  const server = await Peer.start(stage, withDriver({ limits }));
  const { address } = await server.listen('cheap', 'hold', { backlog: 2 * count });
  const [port = ''] = (await server.inspect()).locals.map((locator) => locator.split(':').at(-1));
  const service = parseServiceId(address.id);
  const random = seededRandom(71);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const halfOpen = async () => (await server.inspect()).flows.filter(({ state }) => state === 'SYN-RECEIVED').length;
  /** Answers how many connections are half open then, of those that were wanted. */
  const open = async (syns: number, wanted: number): Promise<number> => {
    for (let i = 0; i < syns; i++) {
      await new Promise((resolve) => socket.send(makeSyn({ service, random }), Number(port), '127.0.0.1', resolve));
      if (i % 32 === 31) await sleep(1);
    }
    return until(`${wanted} are half open`, async () => {
      const now = await halfOpen();
      return now >= wanted && now;
    });
  };
  const warm = await open(100, 90);
  const before = await server.memory();
  const all = await open(count, 0.9 * count);
  const after = await server.memory();
  const opened = all - warm;
  const bytes = (after.live - before.live) / opened;
  t.diagnostic(`${Math.round(bytes)} bytes for each of ${opened} half-open connections`);
  assert.ok(bytes > 100 && bytes <= 2 * kib, `${Math.round(bytes)} bytes each`);
});

test('[X5] one address gets its share of connections, and others theirs', { timeout: 60_000 }, async (t) => {
  const share = 50;
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage, withDriver({ limits: { flowsPerPeer: share } }));
  const { server: listener } = await server.listen('shared', 'echo');
  const [greedy, modest] = await Promise.all([
    Peer.start(stage, withDriver({ address: '127.0.0.1' })),
    Peer.start(stage, withDriver({ address: '127.0.0.2' })),
  ]);
  const held: number[] = [];
  for (let i = 0; i < share; i++) held.push(await greedy.connect('shared'));
  assert.equal(await greedy.exchange(held[share - 1] as number, 'the last'), 'the last');
  await until('all are accepted', async () => (await server.accepted(listener)).length === share);
  for (let i = 0; i < 3; i++) {
    const answer = greedy.connect('shared').then((connection) => greedy.exchange(connection, 'one more', 2500));
    await assert.rejects(answer);
  }
  assert.equal((await server.accepted(listener)).length, share);
  assert.ok(((await server.inspect()).counters.dropped['limit'] ?? 0) >= 3);
  assert.equal(await modest.exchange(await modest.connect('shared'), 'my turn'), 'my turn');
  assert.equal(await greedy.exchange(held[0] as number, 'still here'), 'still here');
  // What is given back may be had again.
  await greedy.call('end', { connection: held[0] });
  await until('closed', async () => (await greedy.look(held[0] as number)).closed);
  await until('there is room again', async () => {
    const connection = await greedy.connect('shared').catch(() => undefined);
    return connection !== undefined && (await greedy.exchange(connection, 'again', 2500).catch(() => undefined));
  });
});

test('[X5] a thousand peers that stall in the middle of a record leave memory flat', {
  timeout: 120_000,
}, async (t) => {
  // What V8 compiles meanwhile counts as live, too: the first rounds are for that.
  const [warmRounds, rounds, perRound, recordBytes] = [5, 10, 200, 60_000];
  const stage = new Stage(t);
  await stage.router();
  const server = await Peer.start(stage);
  const { server: listener } = await server.listen('patient', 'hold');
  const shim = await Shim.start(stage);
  const live: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const env = { CARACAL_ROUTER: shim.address, CARACAL_LINK: 'dgram' };
    const stalling = await Peer.start(stage, { env });
    assert.equal((await stalling.connectMany('patient', perRound, 16, true)).open, perRound);
    await until('all are accepted', async () => (await server.accepted(listener)).length === perRound);
    // Of each record some packets arrive, and no record whole.
    await shim.set({ loss: 0.5 });
    const sending = Array.from({ length: perRound }, (_, i) => stalling.send(i, recordBytes, round, false));
    await Promise.all(sending);
    await sleep(200);
    stalling.child.signal('SIGKILL');
    await stalling.child.exit();
    await shim.set({ loss: 0 });
    const looks = await server.accepted(listener);
    await server.call('abortAccepted', { server: listener });
    assert.ok(
      looks.some(({ bytes }) => bytes < recordBytes),
      'nobody stalled',
    );
    await server.call('forget', { server: listener });
    if (round !== warmRounds - 1 && round !== rounds - 1) continue;
    // An aborted flow is remembered for 5 s, to answer what still comes for it.
    await until('all are forgotten', async () => (await server.inspect()).flows.length === 0);
    live.push((await server.memory()).live);
  }
  const [early = 0, late = 0] = live;
  const grown = late - early;
  t.diagnostic(live.map((bytes) => `${(bytes / mib).toFixed(1)} MiB`).join(', '));
  const stalled = (rounds - warmRounds) * perRound;
  assert.ok(grown < 2 * kib * stalled, `${grown} bytes more after ${stalled} more that stalled`);
  const client = await Peer.start(stage);
  await client.connect('patient');
});
