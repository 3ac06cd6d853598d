import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeAddresses, RecordType } from '../wire/index.ts';
import { type Placement, takeRecord } from './reorder.ts';
import { locatorOf, openFlows, type TestFlows } from './testing/flows.ts';

function take({ stack, group }: TestFlows, number: number, type: number, plain: Uint8Array): Placement {
  const { reader } = group.first;
  assert.ok(reader);
  return takeRecord(stack, group, reader, number, { type, plain }, plain.length + 12);
}

const bodyOf = (number: number): Uint8Array => new Uint8Array(1 + (number % 7)).fill(number);
const none = new Uint8Array(0);

test('reorder: whatever the order and however often they come, records are delivered once and in theirs', () => {
  const orders = fc.array(fc.nat(39), { maxLength: 60 }).chain((again) => {
    const numbers = [...Array.from({ length: 40 }, (_, i) => i), ...again];
    return fc.shuffledSubarray(numbers, { minLength: numbers.length });
  });
  fc.assert(
    fc.property(orders, (numbers) => {
      const flows = openFlows([{}, {}]);
      const { group, stack } = flows;
      const seen = new Set<number>();
      for (const number of numbers) {
        const placement = take(flows, number, RecordType.DATA, bodyOf(number));
        assert.equal(placement, seen.has(number) ? 'known' : 'taken');
        seen.add(number);
      }
      const delivered = Buffer.concat(group.first.unread);
      const expected = Buffer.concat(Array.from({ length: 40 }, (_, i) => bodyOf(i)));
      assert.deepEqual(delivered, expected);
      assert.deepEqual([group.ahead.size, group.aheadBytes, group.first.reader?.expected], [0, 0, 40]);
      assert.equal(stack.blocks.elsewhereBytes, expected.length);
      assert.equal(group.first.receivedBytes, expected.length + 40 * 12);
    }),
    { numRuns: 50 },
  );
});

test('reorder: the end counts when everything before it is there, and nothing follows it', () => {
  const flows = openFlows([{}, {}]);
  const { first } = flows.group;
  assert.equal(take(flows, 2, RecordType.CLOSE, none), 'taken');
  assert.equal(take(flows, 3, RecordType.DATA, bodyOf(3)), 'wrong');
  assert.equal(take(flows, 1, RecordType.DATA, bodyOf(1)), 'taken');
  assert.equal(first.remoteEnd, false);
  assert.equal(take(flows, 0, RecordType.DATA, bodyOf(0)), 'taken');
  assert.deepEqual([first.remoteEnd, first.reader?.closed], [true, true]);
});

test('reorder: keys change only when nothing else is under way', () => {
  const early = openFlows([{}, {}]);
  assert.equal(take(early, 1, RecordType.UPDATE, none), 'wrong');
  const waiting = openFlows([{}, {}]);
  take(waiting, 2, RecordType.DATA, bodyOf(2));
  assert.equal(take(waiting, 0, RecordType.UPDATE, none), 'wrong');
  const inTurn = openFlows([{}, {}]);
  assert.equal(take(inTurn, 0, RecordType.UPDATE, none), 'taken');
  assert.equal(inTurn.group.first.reader?.keyedFrom, 1);
});

test('reorder: more than the windows can have allowed is no honest peer', () => {
  const flows = openFlows([{}, {}]);
  const body = new Uint8Array(65_536);
  let number = 1;
  while (take(flows, number, RecordType.DATA, body) === 'taken') number++;
  const windows = 2 * 256 * 1024;
  assert.ok(number * body.length > windows && number * body.length < windows + 512 * 1024, `${number} records`);
});

test('reorder: addresses are believed where nobody else can have written them', () => {
  const body = encodeAddresses([{ locator: locatorOf(9, 9), flags: 0, priority: 0 }]);
  const proof = { authenticated: false, rootKey: undefined, prefix: undefined, near: 'network' } as const;
  for (const [encrypted, count] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const flows = openFlows([{}]);
    flows.group.first.peerProof = { ...proof, encrypted };
    assert.equal(take(flows, 0, RecordType.ADDRESS, body), 'taken');
    assert.equal(flows.group.peers?.length ?? 0, count);
    assert.equal(take(flows, 1, RecordType.ADDRESS, none), 'taken');
    assert.equal(flows.group.tellsPeer, encrypted);
  }
});
