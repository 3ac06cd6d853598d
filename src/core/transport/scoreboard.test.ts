// Scoreboard and reassembly list against models that know the fate of every single byte.

import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Columns } from './columns.ts';
import { noColumns } from './columns.ts';
import {
  advanceThrough,
  createReassembly,
  holdsInterval,
  insertInterval,
  latestBefore,
  maxIntervals,
} from './reassembly.ts';
import {
  acknowledge,
  appendSent,
  clearDelivery,
  createDelivery,
  createScoreboard,
  firstLost,
  firstUndelivered,
  mark,
  markAllLost,
  markRetransmitted,
  markSacked,
  Run,
  runEnd,
  type Scoreboard,
  withdrawSacked,
} from './scoreboard.ts';

type Action =
  | { kind: 'send'; bytes: number }
  | { kind: 'ack' | 'lose'; at: number }
  | { kind: 'sack' | 'withdraw'; at: number; bytes: number }
  | { kind: 'repeat'; bytes: number }
  | { kind: 'timeout' };

const small = fc.integer({ min: 1, max: 30 });
const place = fc.integer({ min: 0, max: 200 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), bytes: small }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'lose' as const), at: place }),
  fc.record({ kind: fc.constantFrom('sack' as const, 'withdraw' as const), at: place, bytes: small }),
  fc.record({ kind: fc.constant('repeat' as const), bytes: small }),
  fc.record({ kind: fc.constant('timeout' as const) }),
);

/** What the model knows of each byte from 0 on. */
interface Model {
  una: number;
  flags: number[];
  delivered: Set<number>;
}

function step(sb: Scoreboard, spare: Columns[], model: Model, now: number, a: Action): void {
  const delivery = createDelivery();
  const before = model.delivered.size;
  if (a.kind === 'send') {
    appendSent(sb, spare, a.bytes, now, 0);
    for (let i = 0; i < a.bytes; i++) model.flags.push(0);
  } else if (a.kind === 'ack') {
    const ack = Math.min(model.flags.length, model.una + a.at);
    acknowledge(sb, spare, ack, delivery);
    for (; model.una < ack; model.una++) model.delivered.add(model.una);
  } else if (a.kind === 'sack') {
    const start = Math.min(model.flags.length, model.una + a.at);
    const end = Math.min(model.flags.length, start + a.bytes);
    if (start < end) markSacked(sb, start, end, delivery);
    for (let i = start; i < end; i++) {
      model.flags[i] = (model.flags[i]! | Run.SACKED) & ~Run.LOST;
      model.delivered.add(i);
    }
  } else if (a.kind === 'lose') loseOne(sb, model, a.at);
  else if (a.kind === 'repeat') repeatFirst(sb, model, now, a.bytes);
  else if (a.kind === 'withdraw') withdraw(sb, model, a.at, a.bytes);
  else {
    markAllLost(sb);
    for (let i = model.una; i < model.flags.length; i++)
      if ((model.flags[i]! & Run.SACKED) === 0) model.flags[i]! |= Run.LOST;
  }
  assert.equal(delivery.bytes, model.delivered.size - before, 'every byte is delivered once');
}

function withdraw(sb: Scoreboard, model: Model, at: number, bytes: number): void {
  const start = model.una + at;
  withdrawSacked(sb, start, start + bytes);
  let edge = model.una;
  while (edge < model.flags.length && model.flags[edge]! & Run.SACKED) edge++;
  for (let i = start; i < Math.min(edge, start + bytes); i++) model.flags[i] = Run.LOST;
}

/** One run, as loss detection does. */
function loseOne(sb: Scoreboard, model: Model, pick: number): void {
  if (sb.runs.count === 0) return;
  const at = sb.runs.first + (pick % sb.runs.count);
  const flags = sb.runs.marks[at]!;
  if (flags & Run.SACKED) return;
  for (let i = sb.runs.starts[at]!; i < runEnd(sb, at); i++) model.flags[i]! |= Run.LOST;
  mark(sb, at, flags | Run.LOST);
}

function repeatFirst(sb: Scoreboard, model: Model, now: number, bytes: number): void {
  const at = firstLost(sb);
  if (at < 0) return;
  const start = sb.runs.starts[at]!;
  const end = Math.min(runEnd(sb, at), start + bytes);
  markRetransmitted(sb, at, start, end, now);
  for (let i = start; i < end; i++) model.flags[i]! &= ~Run.LOST;
}

function check(sb: Scoreboard, model: Model): void {
  assert.equal(sb.end, model.flags.length);
  const { runs } = sb;
  let next = model.una;
  let sacked = 0;
  let lost = 0;
  for (let at = runs.first; at < runs.first + runs.count; at++) {
    assert.equal(runs.starts[at], next, 'runs are contiguous');
    next = runEnd(sb, at);
    for (let i = runs.starts[at]!; i < next; i++) {
      const flags = runs.marks[at]! & (Run.SACKED | Run.LOST);
      assert.equal(flags, model.flags[i]! & (Run.SACKED | Run.LOST), `byte ${i}`);
      if (flags & Run.SACKED) sacked++;
      if (flags & Run.LOST) lost++;
    }
  }
  assert.equal(next, sb.end);
  assert.deepEqual([sb.sackedBytes, sb.lostBytes], [sacked, lost]);
  let edge = model.una;
  while (edge < model.flags.length && model.flags[edge]! & Run.SACKED) edge++;
  assert.equal(firstUndelivered(sb), edge);
  const firstLostByte = model.flags.findIndex((flags, i) => i >= model.una && flags & Run.LOST);
  assert.equal(firstLost(sb) < 0 ? -1 : runs.starts[firstLost(sb)], firstLostByte);
}

test('property: the scoreboard agrees with a model of single bytes', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const sb = createScoreboard(0);
      const spare: Columns[] = [];
      const model: Model = { una: 0, flags: [], delivered: new Set() };
      let now = 0;
      for (const a of actions) {
        step(sb, spare, model, now++, a);
        check(sb, model);
      }
      acknowledge(sb, spare, sb.end, createDelivery());
      assert.equal(sb.runs, noColumns, 'nothing outstanding: nothing is held');
    }),
    { numRuns: 300 },
  );
});

test('a batch is one run, and SACKed neighbours merge', () => {
  const sb = createScoreboard(0);
  const spare: Columns[] = [];
  appendSent(sb, spare, 1000, 5, 0);
  appendSent(sb, spare, 1000, 5, 0);
  assert.equal(sb.runs.count, 1);
  appendSent(sb, spare, 1000, 6, 0);
  assert.equal(sb.runs.count, 2);
  for (let i = 0; i < 30; i++) markSacked(sb, 100 * i, 100 * i + 100, createDelivery());
  assert.equal(sb.runs.count, 1);
  assert.equal(firstUndelivered(sb), 3000);
});

test('delivery: the time of the latest sending, ambiguous once repeated', () => {
  const sb = createScoreboard(0);
  const spare: Columns[] = [];
  const delivery = createDelivery();
  appendSent(sb, spare, 1000, 10, 0);
  appendSent(sb, spare, 1000, 20, 0);
  markSacked(sb, 1000, 2000, delivery);
  assert.deepEqual([delivery.sentAtUs, delivery.end, delivery.ambiguous], [20, 2000, false]);
  markAllLost(sb);
  markRetransmitted(sb, firstLost(sb), 0, 1000, 30);
  clearDelivery(delivery);
  acknowledge(sb, spare, 2000, delivery);
  assert.deepEqual([delivery.bytes, delivery.sentAtUs, delivery.ambiguous], [1000, 30, true]);
});

test('property: the reassembly list agrees with a set of bytes', () => {
  const interval = fc.record({ start: fc.integer({ min: 0, max: 300 }), bytes: fc.integer({ min: 1, max: 25 }) });
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 60 }), (list) => {
      const r = createReassembly();
      const spare: Columns[] = [];
      const held = new Set<number>();
      for (const { start, bytes } of list) {
        const whole = Array.from({ length: bytes }, (_, i) => held.has(start + i)).every(Boolean);
        assert.equal(holdsInterval(r, start, start + bytes), whole);
        assert.ok(insertInterval(r, spare, start, start + bytes));
        for (let i = start; i < start + bytes; i++) held.add(i);
        const last = latestBefore(r, 2 ** 32);
        const { starts, values } = r.intervals;
        assert.ok(starts[last]! <= start && values[last]! >= start + bytes, 'the block that changed last comes first');
      }
      let next = 0;
      while (held.has(next)) next++;
      assert.equal(advanceThrough(r, spare, 0), next);
      const c = r.intervals;
      const left = new Set<number>();
      for (let at = c.first; at < c.first + c.count; at++)
        for (let i = c.starts[at]!; i < c.values[at]!; i++) left.add(i);
      assert.deepEqual([...left].sort(byNumber), [...held].filter((i) => i > next).sort(byNumber));
    }),
    { numRuns: 300 },
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}

test('the reassembly list refuses another hole at its limit, and goes on filling the others', () => {
  const r = createReassembly();
  for (let i = 1; i <= maxIntervals; i++) assert.ok(insertInterval(r, [], i * 10, i * 10 + 5));
  assert.equal(insertInterval(r, [], 7, 8), false);
  assert.ok(insertInterval(r, [], 15, 20));
  assert.equal(r.intervals.count, maxIntervals - 1);
  assert.ok(insertInterval(r, [], 7, 8));
});
