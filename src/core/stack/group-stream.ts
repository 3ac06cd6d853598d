// Between the records and the engines of a connection with several flows, as stream.ts is of one with a single flow: what a
// batch of segments, a timeout or a read may have changed. Each flow's records are verified where they come; what they
// hold goes to the connection in its order. A flow that is silent is suspected within its jitter, long before its engine
// knows, so that nothing waits for it; and believed again at the first sign of life.

import { Reason } from '../base/index.ts';
import { readAnyRecord } from '../security/index.ts';
import {
  acceptBytes,
  endBatch,
  overdueAtUs,
  readableBytes,
  rejectBytes,
  Signal,
  type Tcb,
} from '../transport/index.ts';
import { abort, maybeFinish } from './close.ts';
import { awaitRecord, distrust, mostRefusals } from './distrust.ts';
import { isLive, openWindows, type Subflow } from './flow-group.ts';
import { ask, isUnproven } from './path.ts';
import { tellPath } from './path-info.ts';
import { sharePathMtu } from './path-mtu.ts';
import { lookForPaths, lookSoon } from './paths.ts';
import { takeRecord } from './reorder.ts';
import { endIfBroken } from './resume.ts';
import { maxRecordsAhead, resumeSending } from './schedule.ts';
import { noteAcknowledged } from './sent-records.ts';
import { isSpent } from './shares.ts';
import { arm, deliver, markReady } from './sockets.ts';
import type { Connection, StackState } from './state.ts';

/** A silent peer is asked so often whether it is back. */
const probeIntervalUs = 1_000_000;
const firstProbeUs = 200_000;

/** Everything that a batch of segments, a timeout or a read may have changed of one flow. */
export function settleSubflow(stack: StackState, connection: Connection, subflow: Subflow): void {
  const { tcb } = connection;
  const { group } = subflow;
  const { first } = group;
  if (tcb === undefined) return;
  if (tcb.state !== 'CLOSED' && !readSubflow(stack, subflow, tcb))
    return abort(stack, first, Reason.MISBEHAVING, 'the other end sends what does not go on from what it sent before');
  if (endIfBroken(stack, first)) return;
  endBatch(tcb, stack.nowUs);
  noteAcknowledged(subflow);
  if (!obeySignals(stack, subflow, tcb)) return;
  judge(stack, subflow, tcb);
  tellPath(stack, subflow);
  if (first.closeQueued && group.outstanding.size === 0) first.finAcked = true;
  if (isSpent(stack, subflow)) lookSoon(stack, group);
  if (group.lookUs <= stack.nowUs) lookForPaths(stack, group);
  if (connection.tcb !== tcb) return;
  for (const opened of openWindows(group, stack.nowUs)) markReady(stack, opened);
  deliver(stack, first);
  resumeSending(stack, group);
  markReady(stack, connection);
  markReady(stack, first);
  maybeFinish(stack, first);
}

/** False: the connection, or this flow, is over. */
function obeySignals(stack: StackState, { connection, group }: Subflow, tcb: Tcb): boolean {
  const { signals } = tcb;
  const { first } = group;
  tcb.signals = 0;
  if (signals & Signal.PATH_MTU) sharePathMtu(stack, connection, tcb);
  if (signals & Signal.HOSTILE)
    abort(stack, first, Reason.MISBEHAVING, 'the other end acknowledged what was never sent to it');
  else if (connection.refusedTimes > mostRefusals)
    abort(stack, first, Reason.BAD_RECORD, 'what the peer sends does not go on from what it sent before');
  else if (signals & Signal.TIMED_OUT && first.state === 'ESTABLISHED')
    // Later all that was sent is acknowledged, and FIN has its own patience.
    abort(stack, connection, Reason.TIMED_OUT, 'the peer stopped answering');
  else if (signals & Signal.FIN_RECEIVED && group.closeNumber === Number.POSITIVE_INFINITY)
    abort(stack, first, Reason.BAD_RECORD, 'the stream was cut off before its end');
  else return true;
  return false;
}

/** False: no honest peer has sent this. */
function readSubflow(stack: StackState, { connection, group }: Subflow, tcb: Tcb): boolean {
  const { reader } = group.first;
  if (reader === undefined) return true;
  const { received, record: result } = stack.work;
  const { allocate } = stack.options.primitives;
  received.tcb = tcb;
  for (;;) {
    received.readableBytes = readableBytes(tcb);
    const { readableBytes: readable } = received;
    if (readable === 0) awaitRecord(stack, connection, tcb, 0, 0);
    if (readable === 0) return true;
    const verdict = readAnyRecord(reader, received, allocate, reader.expected + maxRecordsAhead, result);
    if (verdict === 'need') awaitRecord(stack, connection, tcb, readable, result.bytes);
    if (verdict === 'need') return true;
    if (verdict !== 'data') {
      distrust(stack, connection, tcb);
      rejectBytes(tcb, stack.nowUs, result.bytes);
      return true;
    }
    acceptBytes(tcb, stack.nowUs, result.bytes);
    const { type, plain, recordNumber } = result;
    const record = { type, plain };
    if (takeRecord(stack, group, reader, recordNumber, record, result.bytes) === 'wrong') return false;
  }
}

/** Whether its peer answers: an engine that has timed out is in doubt, progress since then ends the doubt. */
function judge(stack: StackState, subflow: Subflow, tcb: Tcb): void {
  if (subflow.suspectUs === Number.POSITIVE_INFINITY) {
    if (tcb.timeouts > 0) suspect(stack, subflow, tcb);
  } else if (tcb.timeouts === 0 && tcb.lastProgressUs > subflow.suspectUs) {
    subflow.suspectUs = Number.POSITIVE_INFINITY;
    subflow.probeUs = Number.POSITIVE_INFINITY;
  }
}

function suspect(stack: StackState, subflow: Subflow, tcb: Tcb): void {
  subflow.suspectUs = stack.nowUs;
  subflow.probeUs = stack.nowUs + Math.max(firstProbeUs, 2 * tcb.rtt.srttUs);
}

/** Its deadline has come: what it carries is overdue, or its peer is asked again. */
export function pollSubflow(stack: StackState, subflow: Subflow): void {
  const { connection, group } = subflow;
  const { tcb } = connection;
  if (tcb === undefined || !isLive(subflow)) return;
  if (subflow.suspectUs === Number.POSITIVE_INFINITY) {
    if (overdueAtUs(tcb) > stack.nowUs) return;
    suspect(stack, subflow, tcb);
    resumeSending(stack, group);
  } else if (subflow.probeUs <= stack.nowUs) probe(stack, subflow);
  arm(stack, connection);
}

/** By a challenge: its engine, whose timer grows, asks ever more rarely. */
function probe(stack: StackState, subflow: Subflow): void {
  const { connection, group } = subflow;
  subflow.probeUs = group.subflows.length > 1 ? stack.nowUs + probeIntervalUs : Number.POSITIVE_INFINITY;
  const { peer, link } = connection;
  if (!isUnproven(connection)) ask(stack, connection, peer, link);
}
