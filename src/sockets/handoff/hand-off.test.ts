import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openReceiver, type Traveller } from './carrier.ts';
import { Channel } from './channel.ts';
import { handOff } from './hand-off.ts';
import { type Leaver, leavers, sockets } from './testing/leaver.ts';

const whose = { text: 'web', security: {}, driver: {} } as unknown as Traveller;

interface Played {
  readonly path: string;
  /** Connections of each batch that was offered. */
  readonly batches: number[];
}

/** A receiver that answers each batch in the same way before it has seen any of it: as many as it has connections. */
async function play(t: TestContext, answer: 'arrived' | 'refused' | 'refuse'): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-test-'));
  const path = join(folder, 'socket');
  const batches: number[] = [];
  const receiver = await openReceiver(path, whose, (stream) => {
    const channel = new Channel(stream);
    const key = Buffer.alloc(32, 9).toString('base64');
    channel.open({
      message(message) {
        if (message.kind === 'offer' && answer === 'refuse') channel.send({ kind: 'refuse', why: 'it is full' });
        else if (message.kind === 'offer') {
          batches.push(message.connections);
          const locators = [{ address: 'wAACCQ==', port: 9 }];
          channel.send({ kind: 'accept', keys: new Array(message.parcels).fill(key), locators });
        } else if (answer !== 'refuse')
          for (let index = 0; index < batches.at(-1)!; index++) channel.send({ kind: answer, index, why: 'no room' });
      },
      parcel() {},
      closed() {},
    });
  });
  t.after(() => {
    receiver.close();
    rmSync(folder, { recursive: true });
  });
  return { path, batches };
}

/** A server: those that it has when it is asked, one list after the other, and when it was closed. */
function origin(...lists: Leaver[][]) {
  let asked = 0;
  const closedAt: number[] = [];
  return {
    closedAt,
    connections: () => sockets(lists[Math.min(asked++, lists.length - 1)]!),
    close: async () => void closedAt.push(asked),
  };
}

test('hand off: first those that it has, then it takes its name back, then those that came meanwhile, each once', async (t) => {
  const { path, batches } = await play(t, 'arrived');
  const all = leavers(5);
  const server = origin(all.slice(0, 2), all.slice(0, 3), all.slice(0, 3), all);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const handed = handOff(path, whose, { timeoutMs: 1e9 }, server);
  let result: unknown;
  void handed.then((value) => {
    result = value;
  });
  while (all.some(({ steps }) => steps.length === 0)) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(result, undefined, 'what clients sent to the old place is still passed on');
  t.mock.timers.tick(100);
  assert.deepEqual(await handed, { moved: 5, stayed: 0, refusals: [] });
  assert.deepEqual([batches, server.closedAt], [[2, 1, 2], [3]]);
  for (const { steps } of all) assert.deepEqual(steps, ['leave']);
});

test('hand off: so many together as the application wants', async (t) => {
  const { path, batches } = await play(t, 'refused');
  const all = leavers(5);
  const result = await handOff(path, whose, { together: 2 }, origin(all));
  assert.deepEqual(result, { moved: 0, stayed: 5, refusals: ['no room'] });
  assert.deepEqual(batches, [2, 2, 1]);
});

test('hand off: a receiver that refuses costs nothing: the server serves on', async (t) => {
  for (const answer of ['refused', 'refuse'] as const) {
    const { path } = await play(t, answer);
    const server = origin(leavers(2));
    const handed = handOff(path, whose, {}, server);
    if (answer === 'refuse') await assert.rejects(handed, { code: 'ECONNREFUSED', moved: 0, stayed: 0 });
    else assert.equal((await handed).stayed, 2);
    assert.deepEqual(server.closedAt, []);
  }
});

test('hand off: an error says how many had moved and stayed by then', async () => {
  const server = origin(leavers(1));
  const nowhere = join(tmpdir(), 'handoff-test-nowhere');
  await assert.rejects(handOff(nowhere, whose, {}, server), { code: 'ECONNREFUSED', moved: 0, stayed: 0 });
});

test('hand off: at least one at a time', async () => {
  for (const together of [0, -1, 0.5, Number.NaN])
    await assert.rejects(handOff('/nowhere', whose, { together }, origin([])), { code: 'ERR_OUT_OF_RANGE' });
});
