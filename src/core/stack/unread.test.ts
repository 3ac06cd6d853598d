import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection, StackState } from './state.ts';
import { keepUnread } from './unread.ts';

/** What keeping `count` pieces of one byte each costs. */
function keep(count: number) {
  let allocated = 0;
  const allocate = (bytes: number): Uint8Array => {
    allocated += bytes;
    return new Uint8Array(bytes);
  };
  const stack = { blocks: { elsewhereBytes: 0 }, options: { primitives: { allocate } } } as unknown as StackState;
  const connection = { unread: [] as Uint8Array[], unreadBytes: 0 } as unknown as Connection;
  for (let i = 0; i < count; i++) keepUnread(stack, connection, Uint8Array.of(i));
  return { allocated, connection, stack };
}

describe('unread bytes', () => {
  it('many small pieces become few, in order, and what is copied for each is less than the piece itself weighs', () => {
    const { allocated, connection, stack } = keep(20_000);
    const bytes = connection.unread.flatMap((piece) => [...piece]);
    assert.equal(bytes.length, 20_000);
    assert.ok(bytes.every((byte, i) => byte === (i & 255)));
    assert.equal(connection.unreadBytes, 20_000);
    assert.equal(stack.blocks.elsewhereBytes, 20_000);
    assert.ok(connection.unread.length < 200, `${connection.unread.length} pieces`);
    assert.ok(allocated < 40 * 20_000, `${allocated} bytes`);
  });

  it('few pieces stay as they came', () => {
    assert.equal(keep(60).connection.unread.length, 60);
  });
});
