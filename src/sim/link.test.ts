// Each impairment alone, over thousands of packets, against what its probability and rate predict; then all together:
// no packet unaccounted for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/base/index.ts';
import { createClock, step } from './clock.ts';
import { carry, createLink, type Fate, type Link, type LinkOptions, type Packet } from './link.ts';

interface Arrival {
  readonly number: number;
  readonly atUs: number;
}

interface Run {
  readonly link: Link;
  readonly arrivals: Arrival[];
  readonly fates: Fate[];
}

/** Sends `count` numbered packets of `bytes`, one every `gapUs`. */
function pass(options: Partial<LinkOptions>, count: number, bytes = 1000, gapUs = 0, seed = 1): Run {
  const clock = createClock();
  const link = createLink(seededRandom(seed), options);
  const run: Run = { link, arrivals: [], fates: [] };
  for (let number = 0; number < count; number++) {
    clock.nowUs = number * gapUs;
    run.fates.push(
      carry(link, clock, packetOf(bytes, number), (packet) => {
        run.arrivals.push({ number: packet.destination.port, atUs: clock.nowUs });
      }),
    );
  }
  clock.nowUs = 0;
  while (step(clock));
  return run;
}

function packetOf(bytes: number, number: number): Packet {
  const address = new Uint8Array(4);
  return { source: { address, port: 1 }, destination: { address, port: number }, bytes: new Uint8Array(bytes) };
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} within ${tolerance}`);
}

function inOrder(arrivals: readonly Arrival[]): boolean {
  return arrivals.every(({ number }, i) => i === 0 || number >= (arrivals[i - 1]?.number ?? 0));
}

test('link: an ideal one delivers everything in order after its delay', () => {
  const { arrivals } = pass({ delayUs: 20_000 }, 10, 1000, 5);
  assert.deepEqual(
    arrivals,
    Array.from({ length: 10 }, (_, number) => ({ number, atUs: 20_000 + 5 * number })),
  );
});

test('link: the rate spaces packets, and what does not fit the queue is dropped at its tail', () => {
  const { arrivals, fates } = pass({ delayUs: 0, bitsPerSecond: 8e6, queueBytes: 5_000 }, 8);
  assert.deepEqual(
    arrivals.map(({ atUs }) => atUs),
    [1000, 2000, 3000, 4000, 5000],
  );
  assert.deepEqual(fates.slice(4), ['carried', 'queue-full', 'queue-full', 'queue-full']);
});

test('link: jitter spreads the arrivals and keeps the order', () => {
  const { arrivals } = pass({ delayUs: 1000, jitterUs: 8000 }, 2000, 100, 100);
  assert.equal(arrivals.length, 2000);
  assert.ok(inOrder(arrivals));
  const delays = arrivals.map(({ atUs, number }) => atUs - 100 * number);
  assert.ok(Math.max(...delays) > 8000 && Math.min(...delays) >= 1000);
});

test('link: independent loss, corruption and duplication happen as often as asked', () => {
  const lossy = pass({ loss: 0.2 }, 10_000).link.counters;
  near(lossy.fates.lost, 2000, 160);
  const corrupt = pass({ corrupt: 0.1 }, 10_000);
  near(corrupt.link.counters.fates.corrupted, 1000, 120);
  assert.equal(corrupt.arrivals.length, corrupt.link.counters.fates.carried);
  const double = pass({ duplicate: 0.05 }, 10_000);
  near(double.link.counters.duplicated, 500, 90);
  assert.equal(double.arrivals.length, 10_000 + double.link.counters.duplicated);
});

test('link: bursts lose packets in runs', () => {
  const { fates } = pass({ burst: { enter: 0.02, leave: 0.2, loss: 1 } }, 20_000);
  const lost = fates.filter((fate) => fate === 'lost').length;
  near(lost / 20_000, 0.02 / 0.22, 0.03);
  let runs = 0;
  fates.forEach((fate, i) => {
    if (fate === 'lost' && fates[i - 1] !== 'lost') runs++;
  });
  near(lost / runs, 5, 1);
});

test('link: reordered packets arrive later than their followers', () => {
  const { link, arrivals } = pass({ reorder: 0.05, reorderUs: 3000 }, 5000, 100, 100);
  assert.equal(arrivals.length, 5000);
  near(link.counters.reordered, 250, 70);
  assert.ok(!inOrder(arrivals));
});

test('link: down, filtered and too large are told apart', () => {
  assert.deepEqual(pass({ up: false }, 1).fates, ['down']);
  assert.deepEqual(pass({ mtuBytes: 999 }, 1).fates, ['too-big']);
  const { fates } = pass({ filter: (packet) => packet.destination.port !== 1 }, 3);
  assert.deepEqual(fates, ['carried', 'filtered', 'carried']);
});

test('link: every packet has one fate, and a seed gives one run', () => {
  const chance = fc.double({ min: 0, max: 0.5, noNaN: true });
  const options = fc.record({
    loss: chance,
    reorder: chance,
    duplicate: chance,
    corrupt: chance,
    jitterUs: fc.nat(5000),
  });
  fc.assert(
    fc.property(options, fc.nat(), (impairments, seed) => {
      const first = pass({ ...impairments, bitsPerSecond: 1e7, queueBytes: 20_000 }, 100, 500, 300, seed);
      const total = Object.values(first.link.counters.fates).reduce((sum, count) => sum + count, 0);
      assert.equal(total, 100);
      assert.equal(first.arrivals.length, first.link.counters.fates.carried + first.link.counters.duplicated);
      const second = pass({ ...impairments, bitsPerSecond: 1e7, queueBytes: 20_000 }, 100, 500, 300, seed);
      assert.deepEqual(second.arrivals, first.arrivals);
    }),
    { numRuns: 50 },
  );
});
