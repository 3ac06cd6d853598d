import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlone, isDown, isSuspect, openWindows, sharesPath, subflowDeadlineUs, wayOf } from './flow-group.ts';
import { openFlows } from './testing/flows.ts';

test('flow group: a flow is doubted before it is given up', () => {
  for (const [title, change, suspect, down] of [
    ['in order', {}, false, false],
    ['timed out', { timeouts: 1 }, false, true],
    ['frozen', { frozenAtUs: 5 }, true, true],
    ['given up', { state: 'CLOSED' }, true, true],
  ] as const) {
    const [flow] = openFlows([{}]).subflows;
    assert.ok(flow?.connection.tcb);
    Object.assign(flow.connection.tcb, change);
    assert.deepEqual([isSuspect(flow), isDown(flow)], [suspect, down], title);
  }
  const [silent] = openFlows([{ suspect: true }]).subflows;
  assert.deepEqual(silent && [isSuspect(silent), isDown(silent)], [true, false]);
});

test('flow group: control packets go by a flow that is not in doubt, as long as there is one', () => {
  for (const [plans, way] of [
    [[{}, {}], 0],
    [[{ suspect: true }, {}], 1],
    [[{ suspect: true }, { suspect: true }, {}], 2],
    [[{ suspect: true }, { suspect: true }], 0],
  ] as const) {
    const { subflows } = openFlows(plans);
    const [first] = subflows;
    assert.equal(first && wayOf(first.connection), subflows[way]?.connection);
  }
});

test('flow group: two flows share a path when both ends of it are the same', () => {
  for (const [own, peer, same] of [
    [7, 7, true],
    [7, 8, false],
    [8, 7, false],
  ] as const) {
    const { stack, subflows } = openFlows([
      { own: 7, peer: 7 },
      { own, peer },
    ]);
    const [a, b] = subflows;
    assert.equal(a && b && sharesPath(stack, a.connection, b.connection), same, `${own} to ${peer}`);
  }
});

test('flow group: a connection is alone until a second flow was asked for, in either direction', () => {
  const { group, subflows } = openFlows([{}]);
  const [first] = subflows;
  assert.ok(first);
  assert.equal(isAlone(first), true);
  group.lastJoin = 1;
  assert.equal(isAlone(first), false);
});

test('flow group: windows open as far as was accepted, and not while the application has as much unread as the largest', () => {
  for (const [unread, opened] of [
    [0, 1],
    [100_000, 1],
    [300_000, 0],
  ] as const) {
    const { group, stack, subflows } = openFlows([{}, {}]);
    const tcb = subflows[1]?.connection.tcb;
    assert.ok(tcb);
    Object.assign(tcb, { rcvNxt: 5_000, rcvAcked: 5_000 });
    group.first.unreadBytes = unread;
    assert.equal(openWindows(group, stack.nowUs).length, opened, `${unread}`);
    assert.equal(tcb.rcvConsumed, opened * 5_000);
  }
});

test('flow group: a flow has a deadline when its peer is to be asked again, the first also when flows are missing', () => {
  const { group, subflows } = openFlows([{}, { suspect: true }]);
  const [first, second] = subflows;
  assert.ok(first && second);
  assert.equal(subflowDeadlineUs(first.connection), Infinity);
  second.probeUs = 1_200_000;
  group.lookUs = 1_100_000;
  assert.deepEqual(
    [first, second].map(({ connection }) => subflowDeadlineUs(connection)),
    [1_100_000, 1_200_000],
  );
});
