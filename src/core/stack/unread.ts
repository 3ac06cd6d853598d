// Verified plaintext that the application has not asked for. The receive window bounds its bytes; this file bounds what the
// bytes cost: a record may hold a single one, and an array around each would weigh a hundred times as much. So once some
// pieces wait, small ones are joined. The bytes count against the memory of the stack like those in blocks.

import type { Connection, StackState } from './state.ts';

/** With fewer pieces than this nothing is joined: an application that keeps up gets the pieces as they came. */
const loosePieces = 64;
/** Two neighbours that make no more than this are one piece. */
const joinedBytes = 4096;

export function keepUnread(stack: StackState, connection: Connection, bytes: Uint8Array): void {
  const { unread } = connection;
  connection.unreadBytes += bytes.length;
  stack.blocks.elsewhereBytes += bytes.length;
  const last = unread.at(-1);
  if (last === undefined || unread.length < loosePieces || last.length + bytes.length > joinedBytes) {
    unread.push(bytes);
    return;
  }
  const joined = stack.options.primitives.allocate(last.length + bytes.length);
  joined.set(last);
  joined.set(bytes, last.length);
  unread[unread.length - 1] = joined;
}

/** The first pieces, `bytes` in all, were delivered. */
export function releaseUnread(stack: StackState, connection: Connection, pieces: number, bytes: number): void {
  connection.unread.splice(0, pieces);
  connection.unreadBytes -= bytes;
  stack.blocks.elsewhereBytes -= bytes;
}

/** Nobody will ask for it any more. */
export function dropUnread(stack: StackState, connection: Connection): void {
  releaseUnread(stack, connection, connection.unread.length, connection.unreadBytes);
}
