// Spinning by a clock of the test's own: where it goes on, where it gives up, and what it costs where it never pays.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { chooseSpinUs, createSpin, type Spin, turnOn } from './spin.ts';

const spinUs = 75;
const turnUs = 3;

/** Packets follow each other by `gapUs()`, from the end of one's handling on. Answers the time awake and the wake-ups from sleep. */
function run(spin: Spin, packets: number, gapUs: () => number): { awakeUs: number; sleeps: number } {
  let nowUs = 1;
  let awakeUs = 0;
  let sleeps = 0;
  for (let i = 0; i < packets; i++) {
    const nextUs = nowUs + gapUs();
    let awake = turnOn(spin, true, nowUs);
    while (awake && nowUs + turnUs < nextUs) {
      nowUs += turnUs;
      awakeUs += turnUs;
      awake = turnOn(spin, false, nowUs);
    }
    if (!awake) sleeps++;
    nowUs = nextUs;
  }
  return { awakeUs, sleeps };
}

test('spin: a dialogue is waited for awake', () => {
  assert.equal(run(createSpin(spinUs), 1000, () => 20).sleeps, 0);
});

test('spin: what comes rarely costs one try in 128 wake-ups', () => {
  const spin = createSpin(spinUs);
  run(spin, 600, () => 1000);
  const { awakeUs, sleeps } = run(spin, 12_800, () => 1000);
  assert.equal(sleeps, 12_800);
  assert.ok(awakeUs <= 101 * (spinUs + turnUs), `${awakeUs}`);
  assert.ok(awakeUs >= 99 * spinUs, `${awakeUs}`);
});

test('spin: a dialogue that begins behind what came rarely is waited for within 1,152 packets', () => {
  const spin = createSpin(spinUs);
  run(spin, 600, () => 1000);
  run(spin, 1_152, () => 20);
  assert.equal(run(spin, 1000, () => 20).sleeps, 0);
});

test('spin: where half of the packets follow at once it gives up', () => {
  const spin = createSpin(spinUs);
  let even = false;
  const halves = () => {
    even = !even;
    return even ? 20 : 1000;
  };
  run(spin, 10_000, halves);
  const { awakeUs } = run(spin, 10_000, halves);
  assert.ok(awakeUs / 10_000 < 1, `${awakeUs / 10_000} us a packet`);
});

test('spin: where one in ten does not follow at once it goes on', () => {
  const spin = createSpin(spinUs);
  let i = 0;
  const { sleeps } = run(spin, 10_000, () => (++i % 10 === 0 ? 1000 : 20));
  assert.ok(sleeps < 3_000, `${sleeps}`);
});

test('spin: nobody answers who needs the processor that is spun on', () => {
  const spin = createSpin(spinUs);
  let tries = 0;
  for (let i = 0; i < 10_000; i++) {
    // The answer comes 10 us after this side has gone to sleep.
    if (!turnOn(spin, true, i * 1000)) continue;
    tries++;
    assert.equal(turnOn(spin, false, i * 1000 + spinUs), false);
  }
  assert.ok(tries < 100, `${tries}`);
});

test('spin: 0 us is never', () => {
  const spin = createSpin(0);
  for (let i = 0; i < 1000; i++) assert.equal(turnOn(spin, true, i), false);
});

test('spin: how long is asked of the environment, and checked', () => {
  assert.equal(chooseSpinUs(undefined, 2), 75);
  assert.equal(chooseSpinUs('', 2), 75);
  assert.equal(chooseSpinUs('40', 2), 40);
  assert.equal(chooseSpinUs('0', 64), 0);
  assert.equal(chooseSpinUs(undefined, 1), 0);
  assert.equal(chooseSpinUs('40', 1), 0);
  for (const text of ['-1', '1e3', 'much', '10001', ' 5'])
    assert.throws(() => chooseSpinUs(text, 2), { code: 'ERR_INVALID_ARG_VALUE', message: /CARACAL_SPIN_US .* "/ });
});
