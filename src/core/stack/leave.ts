// A flow leaves its connection, which goes on by the others: its interface is gone or has had its share, its peer is silent
// for good, or the other end says so. What it carried and nobody has acknowledged goes by another flow. The first flow
// cannot leave, since it is the connection: it stays without an engine, as the name that control packets go to.

import { Reason } from '../base/index.ts';
import { destroyTcb } from '../transport/index.ts';
import { type FlowGroup, isLive, isSuspect, type Subflow } from './flow-group.ts';
import { buildConnectionReset, sendPacket } from './packets.ts';
import { tellGone, tellPath } from './path-info.ts';
import { rescue, resumeSending } from './schedule.ts';
import { arm, releaseJoined } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** After a flow was lost the next one is opened no sooner than this. */
const rejoinUs = 1_000_000;
const longestRejoinUs = 60_000_000;
/** What may happen to one flow, while its connection is in order. */
const ofPath: readonly Reason[] = [
  Reason.TIMED_OUT,
  Reason.PEER_LOST,
  Reason.UNREACHABLE,
  Reason.SUPERSEDED,
  Reason.TOO_MANY_MOVES,
];

/** Whether the connection outlives the failure of this flow, which is ended then. */
export function outlives(stack: StackState, connection: Connection, reason: Reason): boolean {
  const { subflow } = connection;
  if (subflow === undefined || !ofPath.includes(reason)) return false;
  const other = subflow.group.subflows.some((each) => each !== subflow && isLive(each) && !isSuspect(each));
  if (!other) return false;
  return subflow.pathId !== 0 ? leaveGroup(stack, subflow, reason) : loseEngine(stack, subflow);
}

/** Ends an open flow beside the first; the other end is told by every way there is. False: the connection is lost by it. */
export function leaveGroup(stack: StackState, subflow: Subflow, reason: Reason): boolean {
  const { connection, group } = subflow;
  const bytes = buildConnectionReset(stack, connection, reason);
  sendPacket(stack, bytes, connection.peer, connection.link);
  const other = group.subflows.find((each) => each !== subflow && isLive(each) && !isSuspect(each));
  if (other !== undefined) sendPacket(stack, bytes, other.connection.peer, other.connection.link);
  return dropFlow(stack, subflow);
}

/** The other end has left. False: the connection is lost by it. */
export function dropFlow(stack: StackState, subflow: Subflow): boolean {
  const { group } = subflow;
  const rescued = rescue(stack, subflow);
  remove(stack, subflow);
  if (!rescued || !group.subflows.some(isLive)) return false;
  resumeSending(stack, group);
  return true;
}

/** A flow that was never open. */
export function giveUpJoin(stack: StackState, { subflow }: Connection): void {
  if (subflow !== undefined) remove(stack, subflow);
}

function remove(stack: StackState, subflow: Subflow): void {
  const { connection, group } = subflow;
  const { subflows } = group;
  const at = subflows.indexOf(subflow);
  if (at < 0) return;
  noteFailure(stack, group, connection);
  tellGone(stack, subflow);
  subflows.splice(at, 1);
  releaseJoined(stack, connection);
  group.lookUs = stack.nowUs;
  arm(stack, group.first);
}

/** The link is not tried again at once. */
function noteFailure({ nowUs }: StackState, { failures }: FlowGroup, { link, state }: Connection): void {
  const count = state === 'SYN-SENT' ? (failures.get(link)?.count ?? 0) + 1 : 0;
  failures.set(link, { count, untilUs: nowUs + Math.min(longestRejoinUs, rejoinUs * 2 ** count) });
}

/** The first flow's engine has given up. */
function loseEngine(stack: StackState, subflow: Subflow): boolean {
  const { tcb } = subflow.connection;
  if (!rescue(stack, subflow)) return false;
  if (tcb !== undefined) destroyTcb(tcb);
  tellPath(stack, subflow);
  resumeSending(stack, subflow.group);
  return true;
}
