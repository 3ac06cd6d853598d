import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reason } from '../../core/base/index.ts';
import type { Driver, Event, Input } from '../../core/stack/index.ts';
import type { Flow } from '../flow.ts';
import { Leaving } from './leaving.ts';

const to = { address: Uint8Array.of(192, 0, 2, 1), port: 5 };
const state = Uint8Array.of(1, 2, 3);
const exported: Event = { kind: 'exported', socket: 9, state };
const closed = (reason: Reason): Event => ({ kind: 'closed', socket: 9, reason, detail: '' });

/** A flow whose stack answers so to `export` and `take`, and what it was asked. */
function begin(exporting: number = Reason.OK, taking = 1): { leaving: Leaving | undefined; asked: Input[] } {
  const asked: Input[] = [];
  const handle = (input: Input): number => {
    asked.push(input);
    return input.kind === 'export' ? exporting : input.kind === 'take' ? taking : 1;
  };
  const flow = { id: 9, driver: { handle } as unknown as Driver } as Flow;
  return { leaving: Leaving.begin(flow, to), asked };
}

const kinds = (asked: readonly Input[]): string => asked.map(({ kind }) => kind).join(' ');

test('leaving: it stops where the stack can stop it, and says where packets go', () => {
  const { leaving, asked } = begin();
  assert.ok(leaving);
  assert.deepEqual(asked, [{ kind: 'export', socket: 9, to }]);
  assert.equal(begin(Reason.BAD_STATE).leaving, undefined);
});

test('leaving: what the stack says, and what has become of it', async () => {
  for (const [title, play, outcome, hasLeft, asked] of [
    ['it arrived', ['leave', closed(Reason.HANDED_OVER)], 'moved', true, 'export leave'],
    ['it is taken back', ['take', { kind: 'migrated', socket: 9 }], 'stayed', false, 'export take'],
    [
      'taken back, and its peer had heard of the other',
      ['take', closed(Reason.SUPERSEDED)],
      'moved',
      true,
      'export take',
    ],
    ['superseded by somebody else', [closed(Reason.SUPERSEDED)], 'gone', false, 'export'],
    ['taken back, and its peer is silent', ['take', closed(Reason.TIMED_OUT)], 'gone', false, 'export take'],
    ['it ended meanwhile', [closed(Reason.OK)], 'gone', false, 'export'],
    ['taken back twice', ['take', 'take', { kind: 'migrated', socket: 9 }], 'stayed', false, 'export take'],
    [
      'it arrived after all, too late',
      ['take', 'leave', { kind: 'migrated', socket: 9 }],
      'stayed',
      false,
      'export take',
    ],
  ] as readonly (readonly [string, readonly ('leave' | 'take' | Event)[], string, boolean, string])[]) {
    const { leaving, asked: inputs } = begin();
    assert.ok(leaving);
    assert.equal(leaving.handle(exported), false);
    for (const step of play) {
      if (typeof step === 'string') leaving[step]();
      else assert.equal(leaving.handle(step), true, title);
    }
    assert.equal(await leaving.outcome, outcome, title);
    assert.equal(await leaving.exported, state, title);
    assert.deepEqual([leaving.hasLeft, kinds(inputs)], [hasLeft, asked], title);
  }
});

test('leaving: a stack that cannot take it back has lost it', async () => {
  const { leaving } = begin(Reason.OK, 0);
  leaving!.take();
  assert.equal(await leaving!.outcome, 'gone');
});

test('leaving: whoever waits for its state is told when there will be none', async () => {
  for (const end of [
    (leaving: Leaving) => void leaving.handle(closed(Reason.ABORTED)),
    (leaving: Leaving) => leaving.end('gone'),
  ]) {
    const { leaving } = begin();
    end(leaving!);
    assert.equal(await leaving!.exported, undefined);
    assert.equal(await leaving!.outcome, 'gone');
  }
});

test('leaving: the first that is said of its fate holds, and other events are none', async () => {
  const { leaving } = begin();
  assert.equal(leaving!.handle({ kind: 'writable', socket: 9 }), false);
  leaving!.take();
  leaving!.handle({ kind: 'migrated', socket: 9 });
  leaving!.end('gone');
  assert.equal(await leaving!.outcome, 'stayed');
});
