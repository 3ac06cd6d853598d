// Waiting awake over real sockets: how long the loop slept is what Node says of it.

import { strict as assert } from 'node:assert';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
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
