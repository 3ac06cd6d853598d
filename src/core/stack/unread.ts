// Verified plaintext that the application has not asked for. The receive window bounds its bytes; this file bounds what the
// bytes cost: a record may hold a single one, and an array around each would weigh a hundred times as much. So once some
// pieces wait, small ones are joined. The bytes count against the memory of the stack like those in blocks.

import type { Connection, StackState } from './state.ts';

/** With fewer pieces than this nothing is joined: an application that keeps up gets the pieces as they came. So many become one. */
const loosePieces = 64;
/** Pieces that make no more than this together become one. */
const joinedBytes = 4096;

export function keepUnread(stack: StackState, connection: Connection, bytes: Uint8Array): void {
  const { unread } = connection;
  connection.unreadBytes += bytes.length;
  stack.blocks.elsewhereBytes += bytes.length;
  unread.push(bytes);
  if (unread.length > loosePieces && unread.length % loosePieces === 0) joinLast(stack, unread);
}

/** Many at a time: to join each with those before it, up to the bound, would copy kilobytes for every byte. */
function joinLast(stack: StackState, unread: Uint8Array[]): void {
  let from = unread.length;
  let bytes = 0;
  while (from > unread.length - loosePieces && bytes + unread[from - 1]!.length <= joinedBytes)
    bytes += unread[--from]!.length;
  if (unread.length - from < 2) return;
  const joined = stack.options.primitives.allocate(bytes);
  let at = 0;
  for (const piece of unread.splice(from)) {
    joined.set(piece, at);
    at += piece.length;
  }
  unread.push(joined);
}

/** The first pieces, `bytes` in all, were delivered. */
export function releaseUnread(stack: StackState, connection: Connection, pieces: number, bytes: number): void {
  const { unread } = connection;
  // Mostly all of them: `splice` would make an array of what it takes out.
  if (pieces < unread.length) unread.splice(0, pieces);
  else while (unread.length > 0) unread.pop();
  connection.unreadBytes -= bytes;
  stack.blocks.elsewhereBytes -= bytes;
}

/** Nobody will ask for it any more. */
export function dropUnread(stack: StackState, connection: Connection): void {
  releaseUnread(stack, connection, connection.unread.length, connection.unreadBytes);
}
