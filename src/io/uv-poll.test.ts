// Waiting awake over real sockets: how long the loop slept is what Node says of it.

import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Locator } from '../core/base/index.ts';
import { createLink } from './choose-link.ts';
import { loadLibc } from './libc.ts';
import { parseAddress } from './socket-address.ts';

const noOffload = typeof loadLibc() === 'string' ? 'no offload link here' : false;
const skip = noOffload || (availableParallelism() < 2 ? 'one processor' : false);
const spinMs = 4;

test('spin: what the environment says is checked when the first link is made', { skip }, () => {
  process.env['CARACAL_SPIN_US'] = 'soon';
  const callbacks = { received() {}, drained() {}, writable() {}, unreachable() {} };
  assert.throws(() => createLink({ callbacks, kind: 'offload' }), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('spin: behind a packet the loop does not sleep for that long; where that is in vain it sleeps again', {
  skip,
}, async () => {
  const came: { resolve: () => void } = { resolve() {} };
  const received = (): void => came.resolve();
  process.env['CARACAL_SPIN_US'] = String(spinMs * 1000);
  const link = createLink({ callbacks: { received, drained() {}, writable() {}, unreachable() {} }, kind: 'offload' });
  link.ref();
  await link.ready;
  const remote: Locator = { address: parseAddress('127.0.0.1')!, port: link.locals()[0]!.port };
  /** For twice as long as it would spin, in ms. */
  const awakeBehindOne = async (): Promise<number> => {
    const arrival = new Promise<void>((resolve) => Object.assign(came, { resolve }));
    assert.equal(link.send(Buffer.alloc(8), 8, 0, 1, remote, false), 'ok');
    await arrival;
    const before = performance.eventLoopUtilization();
    await delay(2 * spinMs);
    return performance.eventLoopUtilization(before).active;
  };
  try {
    const first = await awakeBehindOne();
    assert.ok(first >= spinMs * 0.9, `awake for ${first} ms behind the first`);
    let least = first;
    for (let i = 0; i < 20 && least > spinMs / 2; i++) least = Math.min(least, await awakeBehindOne());
    assert.ok(least <= spinMs / 2, `never less than ${least} ms awake`);
  } finally {
    await link.close();
  }
});

test('poll: a worker hears its sockets, and can be ended while they are open', { skip: noOffload }, async () => {
  const modules = {
    link: new URL('./choose-link.js', import.meta.url).href,
    address: new URL('./socket-address.js', import.meta.url).href,
  };
  const code = `
    const { createLink } = await import(${JSON.stringify(modules.link)});
    const { parseAddress } = await import(${JSON.stringify(modules.address)});
    const { parentPort } = await import('node:worker_threads');
    let left = 3;
    const send = () => link.send(Buffer.from('again'), 5, 0, 1, remote, false);
    const received = (_buffer, bytes) => {
      parentPort.postMessage(bytes);
      if (--left > 0) send();
    };
    const link = createLink({ callbacks: { received, drained() {}, writable() {}, unreachable() {} }, kind: 'offload' });
    link.ref();
    const remote = { address: parseAddress('127.0.0.1'), port: link.locals()[0].port };
    send();`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const sizes: number[] = [];
  while (sizes.length < 3) sizes.push((await once(worker, 'message'))[0]);
  assert.deepEqual(sizes, [5, 5, 5]);
  // While its link is open: a handle that Node does not know would abort the process here.
  await worker.terminate();
});
