// Between the application's bytes and the transport's: plaintext is framed into records on the way out and verified on
// the way in. The transport acknowledges a byte only after the record that holds it was verified (`acceptBytes`); a
// record that fails is thrown away and sent again by the peer (`rejectBytes`), so that no forged packet ends a flow.

import { Reason } from '../base/index.ts';
import { readRecord, recordBytesFor, writeRecords } from '../security/index.ts';
import {
  acceptBytes,
  awaitSpace,
  consumeBytes,
  endBatch,
  handleTimeout,
  poolLoad,
  readableBytes,
  rejectBytes,
  Signal,
  sendSpace,
  type Tcb,
} from '../transport/index.ts';
import { abort, maybeFinish } from './close.ts';
import { awaitRecord, distrust, mostRefusals } from './distrust.ts';
import { settleSubflow } from './group-stream.ts';
import { groupOf } from './join.ts';
import { askFormerPeer } from './path.ts';
import { sharePathMtu } from './path-mtu.ts';
import { awaitMemory } from './pressure.ts';
import { takeAddresses } from './reorder.ts';
import { comesTooEarly, endIfBroken, takeResume } from './resume.ts';
import { writeToGroup } from './schedule.ts';
import { deliver, markReady, tellWritable } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { keepUnread } from './unread.ts';
import { pointSink } from './workspace.ts';

/** Takes what fits of `bytes` from `offset`; answers how much. `writable` follows when it was not all. */
export function write(stack: StackState, connection: Connection, bytes: Uint8Array, offset: number): number {
  const { tcb, writer } = connection;
  if (tcb === undefined || connection.localEnd || connection.over !== undefined) return 0;
  const silent = writer === undefined || connection.resuming !== undefined;
  if (silent || poolLoad(stack.blocks) >= 1) {
    connection.writeBlocked = true;
    if (!silent) awaitMemory(stack, connection);
    return 0;
  }
  if (connection.subflow !== undefined) return writeToGroup(stack, connection, connection.subflow, bytes, offset);
  const space = sendSpace(tcb);
  const bodyBytes = Math.min(recordBytesFor(tcb.congestion.cwndBytes), Math.max(4096, tcb.maxSndWnd >> 1));
  const taken = writeRecords(writer, bytes, offset, bodyBytes, space, pointSink(stack.work, connection));
  connection.bytesOut += taken;
  if (taken > 0) connection.awaitsReply = true;
  if (offset + taken < bytes.length) {
    connection.writeBlocked = true;
    awaitSpace(tcb);
  }
  if (taken > 0) markReady(stack, connection);
  return taken;
}

/** Everything that a batch of segments, a timeout or a read may have changed above the transport. */
export function settle(stack: StackState, connection: Connection): void {
  const { tcb } = connection;
  if (tcb === undefined) return;
  if (connection.subflow === undefined) readRecords(stack, connection, tcb);
  if (endIfBroken(stack, connection)) return;
  if (connection.subflow !== undefined) return settleSubflow(stack, connection, connection.subflow);
  endBatch(tcb, stack.nowUs);
  const { signals } = tcb;
  tcb.signals = 0;
  if (signals & Signal.HOSTILE)
    return abort(stack, connection, Reason.MISBEHAVING, 'the other end acknowledged what was never sent to it');
  if (connection.refusedTimes > mostRefusals)
    return abort(stack, connection, Reason.BAD_RECORD, 'what the peer sends does not go on from what it sent before');
  // Once FIN is sent all data is acknowledged, and FIN has its own patience.
  if (signals & Signal.TIMED_OUT && connection.state === 'ESTABLISHED')
    return abort(stack, connection, Reason.TIMED_OUT, 'the peer stopped answering');
  if (signals & Signal.PATH_MTU) sharePathMtu(stack, connection, tcb);
  if (signals & Signal.WRITABLE) tellWritable(stack, connection);
  if (signals & Signal.FIN_ACKED) connection.finAcked = true;
  if (signals & Signal.FIN_RECEIVED && !connection.remoteEnd) return refuseTruncation(stack, connection);
  deliver(stack, connection);
  markReady(stack, connection);
  maybeFinish(stack, connection);
}

/** The transport ended where no authentic close record stood: an end nobody vouches for is an error, never an end. */
function refuseTruncation(stack: StackState, connection: Connection): void {
  abort(stack, connection, Reason.BAD_RECORD, 'the stream was cut off before its end');
}

function readRecords(stack: StackState, connection: Connection, tcb: Tcb): void {
  const { reader } = connection;
  if (reader === undefined) return;
  const { received, record: result } = stack.work;
  const { allocate } = stack.options.primitives;
  received.tcb = tcb;
  for (;;) {
    received.readableBytes = readableBytes(tcb);
    if (received.readableBytes === 0) return awaitRecord(stack, connection, tcb, 0, 0);
    const verdict = readRecord(reader, received, allocate, result);
    if (verdict === 'need') return awaitRecord(stack, connection, tcb, received.readableBytes, result.bytes);
    if (verdict === 'bad' || verdict === 'malformed') {
      distrust(stack, connection, tcb);
      rejectBytes(tcb, stack.nowUs, result.bytes);
      return;
    }
    acceptBytes(tcb, stack.nowUs, result.bytes);
    connection.receivedBytes += result.bytes;
    if (verdict === 'address') {
      consumeBytes(tcb, stack.nowUs, result.bytes);
      const group = groupOf(connection);
      // From here on records may come by several ways.
      if (group !== undefined) return takeAddresses(stack, group, result.plain);
      continue;
    }
    if (verdict === 'resume') {
      consumeBytes(tcb, stack.nowUs, result.bytes);
      takeResume(stack, connection, result.plain);
      continue;
    }
    if (comesTooEarly(connection)) return;
    if (verdict === 'close') {
      consumeBytes(tcb, stack.nowUs, result.bytes);
      connection.remoteEnd = true;
      return;
    }
    consumeBytes(tcb, stack.nowUs, result.bytes - result.plain.length);
    connection.bytesIn += result.plain.length;
    if (result.plain.length === 0) continue;
    connection.awaitsReply = false;
    keepUnread(stack, connection, result.plain);
  }
}

export function handleStreamTimeout(stack: StackState, connection: Connection): void {
  if (connection.tcb === undefined) return;
  handleTimeout(connection.tcb, stack.nowUs);
  if (connection.tcb.timeouts > 0) askFormerPeer(stack, connection);
  settle(stack, connection);
}
