import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPiece, sendPiece } from '../transport/index.ts';
import { isDown, isSuspect, type Subflow } from './flow-group.ts';
import { queued } from './queue.ts';
import { rescue, resumeSending, writeToGroup } from './schedule.ts';
import { lowestOutstanding, noteAcknowledged, noteExpected, spreadBytes, unacknowledged } from './sent-records.ts';
import { type FlowPlan, openFlows, type TestFlows } from './testing/flows.ts';

/** Writes and answers how many bytes of the stream each flow has got. */
function write({ stack, group, subflows }: TestFlows, bytes: number): { taken: number; by: number[] } {
  const [first] = subflows;
  assert.ok(first);
  const taken = writeToGroup(stack, group.first, first, new Uint8Array(bytes), 0);
  return { taken, by: subflows.map(({ connection }) => connection.tcb?.sndEnd ?? 0) };
}

/** Bytes that a flow has in its send buffer. */
function contentOf({ connection }: Subflow, at: number, bytes: number): Uint8Array {
  const { tcb } = connection;
  assert.ok(tcb);
  const piece = createPiece();
  const content = new Uint8Array(bytes);
  for (let done = 0; done < bytes; done += piece.length) {
    sendPiece(tcb, at + done, bytes - done, piece);
    content.set(piece.block.subarray(piece.start, piece.start + piece.length), done);
  }
  return content;
}

function acknowledge(subflow: Subflow | undefined, upTo: number): void {
  const { tcb } = subflow?.connection ?? {};
  assert.ok(tcb && subflow);
  tcb.sndUna = upTo;
  noteAcknowledged(subflow);
}

const quick: FlowPlan = { srttUs: 10_000 };
const slow: FlowPlan = { srttUs: 40_000 };
const down: FlowPlan = { timeouts: 1, suspect: true };

for (const [title, plans, carries] of [
  ['the quicker of two', [slow, quick], 1],
  ['the quicker of two, the first one', [quick, slow], 0],
  ['not a backup, however quick', [slow, { ...quick, role: 'backup' }], 0],
  ['the preferred one, however slow', [quick, { ...slow, role: 'preferred' }], 1],
  ['not one whose peer is silent', [slow, { ...quick, suspect: true }], 0],
  [
    'a backup, when the first is down',
    [
      { ...quick, ...down },
      { ...slow, role: 'backup' },
    ],
    1,
  ],
  [
    'a regular one, when the preferred one is down',
    [slow, { ...quick, ...down, role: 'preferred' }, { ...quick, role: 'backup' }],
    0,
  ],
  [
    'no backup while the first is only suspect, and none is better',
    [
      { ...quick, suspect: true },
      { ...slow, role: 'backup' },
    ],
    0,
  ],
  [
    'not the first, where it goes the same way as another',
    [
      { ...quick, own: 7, peer: 7 },
      { ...slow, own: 7, peer: 7 },
    ],
    1,
  ],
] as const)
  test(`schedule: a record goes by ${title}`, () => {
    const { taken, by } = write(openFlows(plans), 1_000);
    assert.equal(taken, 1_000);
    assert.deepEqual(
      by.map((bytes) => bytes > 0),
      plans.map((_, i) => i === carries),
    );
  });

test('schedule: what no window takes waits unmade, and the application is told when there is room', () => {
  const flows = openFlows([quick, quick]);
  const { taken, by } = write(flows, 1_000_000);
  for (const bytes of by) assert.ok(bytes >= 100_000 && bytes < 130_000, `${bytes}`);
  assert.ok(taken < 260_000);
  assert.equal(flows.group.first.writeBlocked, true);
  assert.equal(flows.stack.events.count, 0);
  acknowledge(flows.subflows[1], by[1] ?? 0);
  resumeSending(flows.stack, flows.group);
  assert.equal(flows.group.first.writeBlocked, false);
  assert.deepEqual(
    [...queued(flows.stack.events)].map((event) => event.kind),
    ['writable'],
  );
});

test('schedule: from the lowest record to the newest there is no more than the windows allow', () => {
  const flows = openFlows([
    { ...quick, windowBytes: 40_000 },
    { ...quick, windowBytes: 40_000 },
  ]);
  write(flows, 1_000_000);
  assert.ok(spreadBytes(flows.group) >= 80_000 && spreadBytes(flows.group) < 80_000 + 70_000);
});

test('schedule: a path so slow that the quick one would have to wait for it carries nothing', () => {
  const flows = openFlows([
    { srttUs: 5_000, windowBytes: 200_000 },
    { srttUs: 500_000, windowBytes: 200_000 },
  ]);
  const { by } = write(flows, 1_000_000);
  assert.ok((by[0] ?? 0) > 90_000);
  assert.equal(by[1], 0);
});

test('schedule: what a silent flow holds goes by another as it is, once', () => {
  const flows = openFlows([slow, quick]);
  const [first, second] = flows.subflows;
  assert.ok(first && second);
  const { by } = write(flows, 5_000);
  second.suspectUs = flows.stack.nowUs;
  assert.ok(isSuspect(second) && !isDown(second));
  for (let i = 0; i < 2; i++) resumeSending(flows.stack, flows.group);
  assert.equal(first.connection.tcb?.sndEnd, by[1]);
  assert.deepEqual(contentOf(first, 0, by[1] ?? 0), contentOf(second, 0, by[1] ?? 0));
  acknowledge(first, by[1] ?? 0);
  assert.equal(lowestOutstanding(flows.group), undefined);
  assert.deepEqual([...unacknowledged(second)], []);
});

test('schedule: part of a record that a peer has acknowledged is not sent as if it were all there', () => {
  const flows = openFlows([slow, quick]);
  const [first, second] = flows.subflows;
  assert.ok(first && second);
  write(flows, 5_000);
  acknowledge(second, 100);
  second.suspectUs = flows.stack.nowUs;
  resumeSending(flows.stack, flows.group);
  assert.equal(first.connection.tcb?.sndEnd, spreadBytes(flows.group) - (flows.group.outstanding.get(0)?.bytes ?? 0));
  assert.equal(rescue(flows.stack, second), false);
});

test('schedule: a flow that is given up leaves nothing behind, room or not; the last one cannot be', () => {
  const flows = openFlows([{ ...slow, cwndBytes: 1_000 }, quick]);
  const [first, second] = flows.subflows;
  assert.ok(first && second);
  const { by } = write(flows, 50_000);
  assert.equal(rescue(flows.stack, second), true);
  assert.ok((first.connection.tcb?.sndEnd ?? 0) >= (by[1] ?? Infinity));
  const alone = openFlows([quick]);
  write(alone, 100);
  const [only] = alone.subflows;
  assert.equal(only && rescue(alone.stack, only), false);
});

test('schedule: the peer expects a later record: those before are done with, whoever carries them', () => {
  const flows = openFlows([quick, quick]);
  write(flows, 100_000);
  const count = flows.group.outstanding.size;
  assert.ok(count > 4);
  noteExpected(flows.group, 3);
  assert.deepEqual([lowestOutstanding(flows.group)?.number, flows.group.outstanding.size], [3, count - 3]);
});
