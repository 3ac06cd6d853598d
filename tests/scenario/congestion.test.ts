// What a congestion controller is chosen for: a long path that loses without being full, a buffer that is too small, and
// others on the same link. Whole stacks, the option as an application gives it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamOptions } from '../../src/core/stack/index.ts';
import type { LinkOptions } from '../../src/sim/index.ts';
import type { Endpoint } from './endpoint.ts';
import { createWorld, dialFrom, listenOn, runFor, scriptsFor, type World } from './world.ts';

type Controller = NonNullable<StreamOptions['congestion']>;

const mbits = 50;
const rttUs = 20_000;
const bdpBytes = (mbits / 8) * rttUs;
const [sends, takes] = scriptsFor(2 ** 40, 0);

interface Flows {
  readonly world: World;
  /** The receiving ends, in the order of the controllers. */
  readonly ends: readonly Endpoint[];
}

/** One connection for each controller, over one link, half a second apart. */
function openFlows(controllers: readonly Controller[], link: Partial<LinkOptions>, seed = 1): Flows {
  const path = { delayUs: rttUs / 2, bitsPerSecond: mbits * 1e6, queueBytes: bdpBytes, ...link };
  const world = createWorld(path, seed, undefined, false);
  const { accepted } = listenOn(world, world.server, takes);
  for (const congestion of controllers) {
    const before = accepted.length;
    dialFrom(world, world.client, sends, undefined, false, { congestion });
    assert.ok(runFor(world, 10_000_000, () => accepted.length > before));
    runFor(world, 500_000);
  }
  return { world, ends: accepted };
}

/** The shares of the link that each flow gets in `us`. */
function shares({ world, ends }: Flows, us: number): number[] {
  const before = ends.map(({ receivedBytes }) => receivedBytes);
  runFor(world, us);
  return ends.map(({ receivedBytes }, i) => (receivedBytes - before[i]!) / ((mbits / 8) * us));
}

function lostShare({ world }: Flows): number {
  const { lost, 'queue-full': full, carried } = world.up.counters.fates;
  return (lost + full) / (lost + full + carried);
}

test('congestion: 1% loss at 20 ms leaves BBR a high share of the link, and CUBIC little', () => {
  const [bbr = 0] = shares(openFlows(['bbr'], { loss: 0.01 }), 10_000_000);
  const [cubic = 0] = shares(openFlows(['cubic'], { loss: 0.01 }), 10_000_000);
  assert.ok(bbr > 0.5, `BBR has ${bbr}`);
  assert.ok(bbr > 3 * cubic, `BBR has ${bbr}, CUBIC ${cubic}`);
});

test('congestion: both fill a link with a buffer of one round trip, and lose little', () => {
  for (const controller of ['bbr', 'cubic'] as const) {
    const flows = openFlows([controller], {});
    const [share = 0] = shares(flows, 10_000_000);
    assert.ok(share > 0.85, `${controller} has ${share}`);
    assert.ok(lostShare(flows) < 0.01, `${controller} lost ${lostShare(flows)}`);
  }
});

test('congestion: in a buffer of a tenth or a fifth of a round trip BBR loses about what probing may cost', () => {
  for (const part of [0.1, 0.2]) {
    const flows = openFlows(['bbr'], { queueBytes: part * bdpBytes });
    const [share = 0] = shares(flows, 10_000_000);
    assert.ok(share > 0.75, `${share}`);
    assert.ok(lostShare(flows) < 0.03, `lost ${lostShare(flows)}`);
  }
});

test('congestion: on one link BBR and CUBIC starve neither, whoever was there first', () => {
  for (const order of [['bbr', 'cubic'] as const, ['cubic', 'bbr'] as const]) {
    // CUBIC fills a deep buffer, and BBR does not want to.
    for (const [roundTrips, least] of [
      [1, 0.2],
      [3, 0.07],
    ] as const) {
      const flows = openFlows(order, { queueBytes: roundTrips * bdpBytes });
      runFor(flows.world, 5_000_000);
      const each = shares(flows, 15_000_000);
      assert.ok(Math.min(...each) > least, `${order} have ${each} with a queue of ${roundTrips} round trips`);
      assert.ok(each[0]! + each[1]! > 0.85, `${each}`);
    }
  }
});

test('congestion: two flows with BBR share a link', () => {
  const flows = openFlows(['bbr', 'bbr'], {});
  runFor(flows.world, 5_000_000);
  const [first = 0, second = 0] = shares(flows, 15_000_000);
  assert.ok(Math.min(first, second) > 0.25, `${first}, ${second}`);
});
