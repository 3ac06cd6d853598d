import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundWindow, charge, hasShare, isSpent } from './shares.ts';
import { type FlowPlan, openFlows, type TestFlows } from './testing/flows.ts';

const mb = 1e6;

function open(share: number | undefined, carriedBytes: number, plan: FlowPlan = {}): TestFlows {
  const maxBytes = share === undefined ? undefined : { if1: share };
  const flows = openFlows([plan, plan], { mode: 'aggregate', ...(maxBytes === undefined ? {} : { maxBytes }) });
  for (const { connection } of flows.subflows) connection.wireBytes = carriedBytes;
  return flows;
}

test('shares: a flow leaves while what may still come fits', () => {
  for (const [share, carriedBytes, spent] of [
    [undefined, 1e12, false],
    [4 * mb, 0, false],
    [4 * mb, 1, false],
    [4 * mb, 3 * mb, false],
    [4 * mb, 3.6 * mb, true],
    [4 * mb, 5 * mb, true],
    [0, 1, true],
  ] as const) {
    const flows = open(share, carriedBytes);
    const [first, second] = flows.subflows;
    assert.ok(first && second);
    boundWindow(flows.stack, second);
    assert.equal(isSpent(flows.stack, second), spent, `${carriedBytes} of ${share}`);
    assert.equal(isSpent(flows.stack, first), false, 'the other interface has no bound');
  }
});

test('shares: a large window, given or wanted, is reason to leave sooner', () => {
  for (const [plan, left] of [
    [{}, 0.5 * mb],
    [{ cwndBytes: 2 * mb }, 2.8 * mb],
  ] as const) {
    const flows = open(8 * mb, 8 * mb - left, plan);
    const second = flows.subflows[1];
    assert.ok(second);
    boundWindow(flows.stack, second);
    assert.equal(isSpent(flows.stack, second), true, JSON.stringify(plan));
    second.connection.wireBytes -= mb;
    assert.equal(isSpent(flows.stack, second), false, JSON.stringify(plan));
  }
});

test('shares: windows are a small part of a share, and as ever where there is none', () => {
  for (const [share, window] of [
    [undefined, 16 * 2 ** 20],
    [1, 262_144],
    [16 * mb, mb],
    [1e12, 16 * 2 ** 20],
  ] as const) {
    const flows = open(share, 0);
    const second = flows.subflows[1];
    assert.ok(second);
    boundWindow(flows.stack, second);
    assert.equal(second.connection.tcb?.options.receiveBufferBytes, window, `${share}`);
  }
});

test('shares: what a flow has carried stays on the account of its interface', () => {
  const flows = open(4 * mb, 3 * mb);
  const second = flows.subflows[1];
  assert.ok(second);
  assert.equal(hasShare(flows.stack, flows.group, 'if1'), true);
  charge(flows.stack, second);
  second.connection.wireBytes = 0.6 * mb;
  assert.equal(hasShare(flows.stack, flows.group, 'if1'), false);
  assert.equal(isSpent(flows.stack, second), true);
  assert.equal(hasShare(flows.stack, flows.group, 'if0'), true);
});
