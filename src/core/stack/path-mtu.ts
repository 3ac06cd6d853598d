// What is found out about the path MTU to a remote concerns all streams that go there: what one's search has found
// (path-cache.ts keeps it for those to come and those at rest), and what the link says, which these hear again.

import { type Locator, sameLocator } from '../base/index.ts';
import { adoptPathMtu, tooBig as pathTooBig, type Tcb } from '../transport/index.ts';
import { forgetPath, learnPath } from './path-cache.ts';
import { awakeOf } from './rest.ts';
import { markReady } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** The search of `tcb` has found something. */
export function sharePathMtu(stack: StackState, connection: Connection, tcb: Tcb): void {
  const found = learnPath(stack, connection, tcb);
  if (found === undefined) return;
  for (const { tcb: other, peer, link } of awakeOf(stack))
    if (other !== undefined && other !== tcb && link === found.link && sameLocator(peer, connection.peer))
      adoptPathMtu(other, stack.nowUs, found);
}

/** The path to `remote` carries no more than `packetBytes`: every stream on it goes below that at once. */
export function tooBig(stack: StackState, remote: Locator, packetBytes: number): void {
  forgetPath(stack, remote);
  for (const connection of awakeOf(stack)) {
    if (connection.tcb === undefined || !sameLocator(connection.peer, remote)) continue;
    pathTooBig(connection.tcb, stack.nowUs, packetBytes);
    markReady(stack, connection);
  }
}
