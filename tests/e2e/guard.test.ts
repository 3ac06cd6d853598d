// The guard of costs: what the data path costs in things that can be counted is at most a tenth above the committed
// baseline (bench/guard/baseline.json), and something that costs more is found. No figure is a time, so a busy machine
// changes nothing. The drivers and their links are not in the guard; that they make no promise is shown here.

import { strict as assert } from 'node:assert';
import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Change, compare } from '../../bench/guard/baseline.ts';
import { connect, createServer } from '../../src/sockets/index.ts';
import { freeName, lonelyDriver } from '../conformance/caracal.ts';
import { root, Stage } from './harness.ts';

/** Of the test, and of the stack's own life; packets were more than 40,000, batches 1,000. */
const fewPromises = 20;

interface Answer {
  readonly ok: boolean;
  readonly changes: readonly Change[];
}

async function guard(
  t: TestContext,
  args: readonly string[],
  env = {},
): Promise<{ code: number | null; answer: Answer }> {
  const program = join(root, 'dist', 'bench', 'guard', 'main.js');
  const child = new Stage(t).start(process.execPath, [program, '--json', ...args], { env });
  const { code } = await child.exit(150_000);
  return { code, answer: JSON.parse(child.stdout) as Answer };
}

function names(changes: readonly Change[], wanted: Change['verdict']): string[] {
  return changes
    .filter(({ verdict }) => verdict === wanted)
    .map(({ scenario, cost, baseline, now }) => `${scenario}: ${cost}, ${baseline} -> ${now}`);
}

test('guard: no cost of streams, sockets, echoes and connections rose by more than a tenth', {
  timeout: 200_000,
}, async (t) => {
  const { code, answer } = await guard(t, []);
  assert.deepEqual(names(answer.changes, 'rose'), [], 'npm run bench:guard says what to do');
  assert.equal(code, 0);
  assert.ok(answer.changes.length > 80, `${answer.changes.length} costs`);
});

test('guard: one more copy of each packet is found, in what is copied and in what is allocated', {
  timeout: 200_000,
}, async (t) => {
  const dearer = new URL('programs/dearer.js', import.meta.url).href;
  const { code, answer } = await guard(t, ['stream'], { NODE_OPTIONS: `--import ${dearer}` });
  assert.equal(code, 1);
  assert.equal(answer.ok, false);
  const rose = answer.changes.filter(({ verdict }) => verdict === 'rose').map(({ cost }) => cost.split(',')[0]);
  assert.deepEqual(rose, ['copied bytes', 'copies', 'heap bytes']);
});

test('guard: what was not there is a rise, less is none, and the heap of another Node is not compared', () => {
  const baseline = { stream: { copies: 100, views: 100, tags: 100, 'heap bytes, Node 20': 100 } };
  const measured = { stream: { copies: 109, views: 111, promises: 1, 'heap bytes, Node 99': 200 } };
  const verdicts = compare(baseline, measured).map(({ cost, verdict }) => [cost, verdict]);
  assert.deepEqual(Object.fromEntries(verdicts), {
    copies: 'same',
    views: 'rose',
    tags: 'fell',
    promises: 'rose',
    'heap bytes, Node 99': 'new',
  });
});

test('guard: a stream passes 2 GiB without what is compiled for it being thrown away', {
  timeout: 120_000,
}, async (t) => {
  const program = join(root, 'dist', 'bench', 'guard', 'measure.js');
  const laps = String(Math.ceil(2 ** 31 / (8 << 20)) + 4);
  const child = new Stage(t).start(process.execPath, ['--trace-deopt', program, 'stream-clear', 'laps', laps]);
  assert.equal((await child.exit(100_000)).code, 0);
  const bailouts = child.stdout.match(/bailout \(/g)?.length ?? 0;
  // Some twenty while V8 learns. Offsets that it believed to be small cost 170 more.
  assert.ok(bailouts > 0 && bailouts < 80, `${bailouts} bailouts`);
});

test('guard: a bulk transfer over real sockets makes no promise', { timeout: 60_000 }, async (t) => {
  const [serverDriver, clientDriver] = [lonelyDriver(), lonelyDriver()];
  t.after(() => Promise.all([serverDriver.close(), clientDriver.close()]));
  const chunk = Buffer.alloc(256 * 1024);
  const server = createServer({ driver: serverDriver }, (socket) => {
    const fill = (): void => {
      while (socket.write(chunk));
    };
    socket.on('drain', fill).on('error', () => {});
    fill();
  });
  const service = freeName();
  server.listen(service);
  await once(server, 'listening');
  const socket = connect({ service, driver: clientDriver });
  await once(socket, 'data');
  let promises = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') promises++;
    },
  });
  const bytes = await new Promise<number>((resolve) => {
    hook.enable();
    socket.on('data', () => {
      if (socket.bytesRead < 64 << 20) return;
      hook.disable();
      resolve(socket.bytesRead);
    });
  });
  socket.destroy();
  server.close();
  assert.ok(bytes >= 64 << 20);
  assert.ok(promises < fewPromises, `${promises} promises`);
});
