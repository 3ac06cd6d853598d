// Which records of a group are under way, and in which flows' send buffers they stand (docs/protocol.md, "Several flows").
// A record is done with when one flow's peer has acknowledged all of it (an acknowledgment covers verified records only, so
// it ends where a record does), or when any flow says that later ones are expected. Positions are offsets of the flow's stream. A peer that acknowledges part of a record
// has lost the rest of it: what the engine has released is never sent as if it were still there.

import { createPiece, enqueue, sendPiece, type Tcb } from '../transport/index.ts';
import { createRecordHeader, parseRecordHeader, RecordType, recordHeaderBytes } from '../wire/index.ts';
import { type FlowGroup, isLive, type Placed, type SentRecord, type Subflow } from './flow-group.ts';
import { peek, push, queued, shift } from './queue.ts';

const piece = createPiece();
const header = new Uint8Array(recordHeaderBytes);
const headerView = new DataView(header.buffer);
const parsed = createRecordHeader();

/** A record of `bytes` was written at `at` of a flow's stream. */
export function noteWritten(subflow: Subflow, number: number, at: number, bytes: number): void {
  const { group } = subflow;
  const record: SentRecord = { number, offset: group.writtenBytes, bytes, carriers: [subflow] };
  group.writtenBytes += bytes;
  group.outstanding.set(number, record);
  push(subflow.sent, { record, at });
}

/** After ACKs: forgets what this flow's peer has acknowledged. */
export function noteAcknowledged({ group, connection, sent }: Subflow): void {
  const { tcb } = connection;
  if (tcb === undefined) return;
  for (let first = peek(sent); first !== undefined; first = peek(sent)) {
    if (first.at + first.record.bytes > tcb.sndUna) return;
    shift(sent);
    group.outstanding.delete(first.record.number);
  }
}

/** The peer has every record below `number`, whichever flow brought it. */
export function noteExpected({ outstanding }: FlowGroup, number: number): void {
  for (const lowest of outstanding.keys()) {
    if (lowest >= number) return;
    outstanding.delete(lowest);
  }
}

/** Bytes from the lowest record that is not acknowledged to the newest. */
export function spreadBytes(group: FlowGroup): number {
  const lowest = lowestOutstanding(group);
  return lowest === undefined ? 0 : group.writtenBytes - lowest.offset;
}

export function lowestOutstanding({ outstanding }: FlowGroup): SentRecord | undefined {
  for (const record of outstanding.values()) return record;
  return undefined;
}

/** Records of this flow that nobody has acknowledged, oldest first. */
export function* unacknowledged({ group, sent }: Subflow): IterableIterator<Placed> {
  for (const placed of queued(sent)) if (group.outstanding.has(placed.record.number)) yield placed;
}

/** The same ciphertext, behind what the other flow has queued. False: the flow's engine has it no more, or takes none. */
export function repeatOn(from: Subflow, { record, at }: Placed, to: Subflow): boolean {
  const [source, target] = [from.connection.tcb, to.connection.tcb];
  if (source === undefined || target === undefined || at < source.sndUna || target.finQueued) return false;
  push(to.sent, { record, at: target.sndEnd });
  record.carriers.push(to);
  for (let done = 0; done < record.bytes; done += piece.length) {
    sendPiece(source, at + done, record.bytes - done, piece);
    enqueue(target, 0, piece.block, piece.start, piece.length);
  }
  return true;
}

export function isCarriedBy({ carriers }: SentRecord, subflow: Subflow): boolean {
  return carriers.includes(subflow);
}

/** Another flow than `subflow` has it, and may still deliver it. */
export function hasOtherCarrier({ carriers }: SentRecord, subflow: Subflow, counts = isLive): boolean {
  return carriers.some((other) => other !== subflow && counts(other));
}

/**
 * The first flow's send buffer, from before there was a group. False: it does not begin with a record, or keys change within
 * it; then there can be no group yet.
 */
export function adoptRecords(first: Subflow): boolean {
  const { tcb, writer } = first.connection;
  if (tcb === undefined || writer === undefined) return false;
  const found: [number: number, at: number, bytes: number][] = [];
  // A FIN that was acknowledged stands behind the last byte.
  let at = Math.min(tcb.sndEnd, Math.max(0, tcb.sndUna));
  while (at < tcb.sndEnd) {
    if (tcb.sndEnd - at < recordHeaderBytes) return false;
    copySent(tcb, at, header);
    if (parseRecordHeader(headerView, 0, recordHeaderBytes, parsed) !== 0) return false;
    const bytes = recordHeaderBytes + parsed.bodyBytes + writer.cipher.tagBytes;
    if (parsed.type === RecordType.UPDATE || parsed.type === RecordType.BRANCH) return false;
    found.push([parsed.recordNumber, at, bytes]);
    at += bytes;
  }
  if (at > tcb.sndEnd || found.some(([number], i) => number !== writer.next - found.length + i)) return false;
  for (const [number, from, bytes] of found) noteWritten(first, number, from, bytes);
  return true;
}

function copySent(tcb: Tcb, at: number, target: Uint8Array): void {
  for (let done = 0; done < target.length; done += piece.length) {
    sendPiece(tcb, at + done, target.length - done, piece);
    target.set(piece.block.subarray(piece.start, piece.start + piece.length), done);
  }
}
