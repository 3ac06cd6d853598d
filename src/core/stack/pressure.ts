// What a stack does when its connections hold as much memory as they may (`limits.bufferBytes`). Applications' writes are not
// taken; once a second, first what came out of order is thrown away, where most is held (a receiver may: RFC 2018), then
// streams whose peer has taken nothing of what waits for it for a minute are aborted, the longest first, those that keep
// their window shut before others. Nobody who makes progress is ended. A share of each connection was rejected: it would
// starve the few that are busy for the sake of the many that are not.

import { Reason } from '../base/index.ts';
import { discardOutOfOrder, outOfOrderBytes, poolLoad, stalledSinceUs } from '../transport/index.ts';
import { abort } from './close.ts';
import { awakeOf } from './rest.ts';
import { markReady, tellWritable } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** Writers go on, and nothing more is taken away, once this part is in use. */
const calmLoad = 7 / 8;
const checkUs = 1_000_000;
const stalledUs = 60_000_000;

/** The write of this connection found no memory: `writable` is owed when there is some. */
export function awaitMemory(stack: StackState, connection: Connection): void {
  stack.starved.add(connection);
}

/** After each input. */
export function watchMemory(stack: StackState): void {
  const load = poolLoad(stack.blocks);
  if (load < calmLoad) {
    if (stack.starved.size > 0) wakeWriters(stack);
    stack.pressureUs = Number.POSITIVE_INFINITY;
  } else if (stack.pressureUs <= stack.nowUs || (load >= 1 && stack.pressureUs === Number.POSITIVE_INFINITY)) {
    if (load >= 1 || stack.starved.size > 0) relieve(stack);
    stack.pressureUs = stack.nowUs + checkUs;
  }
}

function relieve(stack: StackState): void {
  const flows = awakeOf(stack).filter(({ tcb }) => tcb !== undefined);
  for (const { connection } of ranked(flows, outOfOrderOf)) {
    if (isCalm(stack)) return;
    if (connection.tcb !== undefined) discardOutOfOrder(connection.tcb);
    markReady(stack, connection);
  }
  for (const { connection } of ranked(flows, (each) => stallOf(stack, each))) {
    if (isCalm(stack)) return;
    abort(stack, connection, Reason.TIMED_OUT, 'memory is short, and the other end has taken nothing for a minute');
  }
}

function isCalm({ blocks }: StackState): boolean {
  return poolLoad(blocks) < calmLoad;
}

/** Those with a positive worth, the largest first. */
function ranked(flows: readonly Connection[], worthOf: (connection: Connection) => number) {
  return flows
    .map((connection) => ({ connection, worth: worthOf(connection) }))
    .filter(({ worth }) => worth > 0)
    .sort((a, b) => b.worth - a.worth);
}

function outOfOrderOf({ tcb }: Connection): number {
  return tcb === undefined ? 0 : outOfOrderBytes(tcb);
}

function stallOf({ nowUs }: StackState, { tcb }: Connection): number {
  if (tcb === undefined) return 0;
  const lastedUs = nowUs - stalledSinceUs(tcb);
  if (lastedUs < stalledUs) return 0;
  return tcb.windowBlocked ? lastedUs + Number.MAX_SAFE_INTEGER / 2 : lastedUs;
}

function wakeWriters(stack: StackState): void {
  for (const connection of stack.starved) if (connection.over === undefined) tellWritable(stack, connection);
  stack.starved.clear();
}
