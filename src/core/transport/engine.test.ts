// The engine end to end: opening, data both ways, closing in every order, in both modes.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { finished } from './index.ts';
import { makeWorld, open, transfer } from './two-ends.test.ts';

test('opening above SAL: SYN, SYN-ACK, then the first ACK establishes the server', () => {
  const world = makeWorld();
  open(world);
  const [a, b] = world.ends;
  assert.equal(a.tcb.state, 'ESTABLISHED');
  assert.equal(b.tcb.state, 'ESTABLISHED');
  assert.equal(a.tcb.timestamps && a.tcb.sackPermitted, true);
  assert.equal(a.tcb.sndScale, b.tcb.rcvScale);
});

test('data: 1 MiB one way arrives whole', () => {
  const world = makeWorld();
  open(world);
  transfer(world, 1 << 20);
  assert.equal(world.ends[0].tcb.counters.retransmits, 0);
});

test('data: both ways at once', () => {
  const world = makeWorld();
  open(world);
  transfer(world, 3_000_000, 2_000_000);
  assert.ok(world.ends.every((end) => end.tcb.counters.retransmits === 0));
});

for (const mode of ['lower', 'self'] as const) {
  test(`${mode}: 5% loss, reordering and duplication, records of 16 KiB`, () => {
    const world = makeWorld(7, { loss: 0.05, reordering: 0.05, lateUs: 5000, duplication: 0.02 }, { opening: mode });
    open(world);
    for (const end of world.ends) end.recordBytes = 16_384;
    transfer(world, 2_000_000, 500_000);
    assert.ok(world.ends.every((end) => finished(end.tcb)));
  });
}
