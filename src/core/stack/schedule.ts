// Which flow a record goes by (docs/protocol.md, "Several flows"). Records are made once, in one sequence, and each is put
// into the send buffer of the flow that will deliver it first, as long as that can send it soon; the rest of the
// application's bytes wait unmade, so that a slow path holds nothing that a quick one could carry. What a silent flow
// holds is put into another's buffer as it is, the same ciphertext. From the lowest unacknowledged record to the newest
// lie no more bytes than the flows' windows have allowed in all: the peer has room for them, whichever comes first.
// Rejected: round robin (the slowest path sets the pace), and a window of the connection's own, told in every ACK.

import {
  type RecordWriter,
  updateKey,
  writeAddresses,
  writeClose,
  writeRecords,
  writeResume,
} from '../security/index.ts';
import { deliveryUs, pipeBytes, type Tcb, unsentBytes } from '../transport/index.ts';
import { maxRecordBodyBytes, recordHeaderBytes } from '../wire/index.ts';
import { type FlowGroup, isDown, isLive, isSuspect, type Placed, type Subflow, sharesPath } from './flow-group.ts';
import { queueLength } from './queue.ts';
import {
  hasOtherCarrier,
  isCarriedBy,
  lowestOutstanding,
  noteWritten,
  repeatOn,
  spreadBytes,
  unacknowledged,
} from './sent-records.ts';
import { markReady, tellWritable } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { pointSink } from './workspace.ts';

/** Records from the lowest unacknowledged one on; a receiver keeps no more. */
export const maxRecordsAhead = 4096;
/** A record is a small part of a flight: it waits for nothing but itself. */
const recordsPerWindow = 8;
const leastBodyBytes = 4096;
/** What a flow may have queued beyond its window, so that it is never idle for want of the application's turn. */
const leastSlackBytes = 8192;
const mostSlackBytes = 65_536;

/** Takes what the flows can send soon of `bytes` from `offset`; answers how much. */
export function writeToGroup(
  stack: StackState,
  connection: Connection,
  { group }: Subflow,
  bytes: Uint8Array,
  offset: number,
): number {
  let at = offset;
  while (at < bytes.length) {
    const subflow = mayWrite(stack, group) ? choose(stack, group) : undefined;
    const taken = subflow === undefined ? 0 : writeOne(stack, subflow, bytes, at);
    if (taken === 0) break;
    at += taken;
  }
  connection.bytesOut += at - offset;
  if (at > offset) connection.awaitsReply = true;
  if (at < bytes.length) connection.writeBlocked = true;
  return at - offset;
}

/** The end of this direction, after which nothing follows on any flow. */
export function closeGroup(stack: StackState, { group }: Subflow): void {
  const { writer } = group.first;
  const subflow = fallback(stack, group);
  if (writer !== undefined && subflow !== undefined) put(stack, subflow, (sink) => writeClose(writer, sink));
}

/** Where else this end is; an empty list asks where the peer is. */
export function tellAddresses(stack: StackState, { group }: Subflow, body: Uint8Array): void {
  const { writer, localEnd } = group.first;
  const subflow = fallback(stack, group);
  if (writer !== undefined && subflow !== undefined && !localEnd)
    put(stack, subflow, (sink) => writeAddresses(writer, body, sink));
}

/** Where a lost connection stands; nothing but addresses has gone before it. */
export function tellResume(stack: StackState, { group }: Subflow, body: Uint8Array): void {
  const { writer } = group.first;
  const subflow = fallback(stack, group);
  if (writer !== undefined && subflow !== undefined) put(stack, subflow, (sink) => writeResume(writer, body, sink));
}

/** After anything that made room, or a flow silent: what silent flows hold first, then the application's turn. */
export function resumeSending(stack: StackState, group: FlowGroup): void {
  const { first } = group;
  repeatSuspects(stack, group);
  const waits = first.writeBlocked && mayWrite(stack, group);
  if (!waits) repeatLate(stack, group);
  if (!waits || choose(stack, group) === undefined) return;
  tellWritable(stack, first);
}

/**
 * The engine of `subflow` is given up: what nobody else carries goes by another flow, room or not. False: it cannot, and
 * the connection is lost.
 */
export function rescue(stack: StackState, subflow: Subflow): boolean {
  for (const placed of [...unacknowledged(subflow)]) {
    if (hasOtherCarrier(placed.record, subflow)) continue;
    const target = fallback(stack, subflow.group, subflow);
    if (target === undefined || !repeatOn(subflow, placed, target)) return false;
    markReady(stack, target.connection);
  }
  return true;
}

function writeOne(stack: StackState, subflow: Subflow, bytes: Uint8Array, offset: number): number {
  const { writer } = subflow.group.first;
  const { tcb } = subflow.connection;
  if (writer === undefined || tcb === undefined) return 0;
  const bodyBytes = bodyBytesFor(tcb);
  const spaceBytes = recordHeaderBytes + bodyBytes + writer.cipher.tagBytes;
  let taken = 0;
  put(stack, subflow, (sink) => {
    taken = writeRecords(writer, bytes, offset, bodyBytes, spaceBytes, sink);
  });
  return taken;
}

type Sink = ReturnType<typeof pointSink>;

/** One record, made by `write`. */
function put(stack: StackState, subflow: Subflow, write: (sink: Sink) => void): void {
  const { connection, group } = subflow;
  const { first } = group;
  const { tcb } = connection;
  const { writer } = first;
  if (tcb === undefined || writer === undefined) return;
  const at = tcb.sndEnd;
  const number = writer.next;
  write(pointSink(stack.work, connection));
  if (writer.next === number) return;
  const bytes = tcb.sndEnd - at;
  if (connection !== first) first.sentBytes += bytes;
  noteWritten(subflow, number, at, bytes);
  markReady(stack, connection);
}

function bodyBytesFor({ congestion, maxSndWnd }: Tcb): number {
  const share = Math.max(leastBodyBytes, Math.floor(congestion.cwndBytes / recordsPerWindow));
  return Math.min(maxRecordBodyBytes, share, Math.max(leastBodyBytes, maxSndWnd >> 1));
}

/** Whether one more record may be made. Before keys change, and after, everything must have been acknowledged. */
function mayWrite(stack: StackState, group: FlowGroup): boolean {
  const { first, outstanding } = group;
  const { writer } = first;
  if (writer === undefined || outstanding.has(group.updateNumber)) return false;
  if (writer.next - writer.keyedFrom >= writer.cipher.recordLimit) return mayChangeKeys(stack, group, writer);
  const lowest = lowestOutstanding(group);
  if (lowest === undefined) return true;
  return writer.next - lowest.number < maxRecordsAhead && spreadBytes(group) < spreadLimit(group);
}

/** The next key is under way at once if it may be; nothing else is before it has arrived. */
function mayChangeKeys(stack: StackState, group: FlowGroup, writer: RecordWriter): boolean {
  const drained = group.subflows.every(({ sent, connection }) => queueLength(sent) === 0 || !connection.tcb);
  const subflow = drained ? fallback(stack, group) : undefined;
  if (subflow === undefined) return false;
  group.updateNumber = writer.next;
  put(stack, subflow, (sink) => updateKey(writer, sink));
  return false;
}

/** Keys are to change, and what is under way must arrive first: flows that are silent are in the way. */
export function awaitsKeys({ first, updateNumber, outstanding }: FlowGroup): boolean {
  const { writer } = first;
  if (writer === undefined) return false;
  return writer.next - writer.keyedFrom >= writer.cipher.recordLimit || outstanding.has(updateNumber);
}

function spreadLimit({ subflows }: FlowGroup): number {
  let bytes = 0;
  for (const subflow of subflows) if (isLive(subflow)) bytes += subflow.connection.tcb?.maxSndWnd ?? 0;
  return bytes;
}

/** The flow by which one more record arrives first, of those with room; undefined: it had better wait. */
function choose(stack: StackState, group: FlowGroup, other?: Subflow): Subflow | undefined {
  const inUse = usable(stack, group).filter((subflow) => subflow !== other);
  let best: Subflow | undefined;
  let bestUs = Number.POSITIVE_INFINITY;
  for (const subflow of inUse) {
    const { tcb } = subflow.connection;
    if (tcb === undefined || !hasRoom(tcb)) continue;
    const us = deliveryUs(tcb);
    if (us >= bestUs) continue;
    best = subflow;
    bestUs = us;
  }
  return best !== undefined && isWorthIt(group, inUse, best, bestUs) ? best : undefined;
}

/**
 * While a record is on its way, the quicker flows go on behind it, as far as the peer has room. A flow so slow that they
 * would have to wait for it carries nothing (Ferlin et al., "BLEST").
 */
function isWorthIt(group: FlowGroup, inUse: readonly Subflow[], slow: Subflow, arrivesUs: number): boolean {
  let meanwhileBytes = 0;
  for (const subflow of inUse) {
    const { tcb } = subflow.connection;
    if (subflow === slow || tcb === undefined || tcb.rtt.srttUs === 0) continue;
    if (tcb.rtt.srttUs < (slow.connection.tcb?.rtt.srttUs ?? 0))
      meanwhileBytes += (tcb.congestion.cwndBytes * arrivesUs) / tcb.rtt.srttUs;
  }
  return meanwhileBytes === 0 || spreadBytes(group) + meanwhileBytes <= spreadLimit(group);
}

const ranks = { preferred: 0, regular: 1, backup: 2 } as const;

/** Those that data goes by now: of the best role in which one works, silent ones only if all are. */
function usable(stack: StackState, { subflows }: FlowGroup): readonly Subflow[] {
  let best: number = ranks.backup;
  for (const subflow of subflows) if (!isDown(subflow)) best = Math.min(best, ranks[subflow.role]);
  const open = subflows.filter(
    (subflow) => isLive(subflow) && takesData(subflow) && ranks[subflow.role] <= best && !isShadowed(stack, subflow),
  );
  const sound = open.filter((subflow) => !isSuspect(subflow));
  return sound.length > 0 ? sound : open;
}

/** Its engine is not at the end of its stream, and may send. */
function takesData({ connection }: Subflow): boolean {
  const { tcb } = connection;
  return tcb !== undefined && !tcb.finQueued && tcb.frozenAtUs < 0;
}

/** The first flow, having moved, goes where another does: both would compete for one path. */
function isShadowed(stack: StackState, { pathId, connection, group }: Subflow): boolean {
  if (pathId !== 0) return false;
  return group.subflows.some(
    (other) =>
      other.pathId !== 0 &&
      other.role !== 'backup' &&
      !isSuspect(other) &&
      sharesPath(stack, connection, other.connection),
  );
}

function hasRoom(tcb: Tcb): boolean {
  const { cwndBytes } = tcb.congestion;
  const slackBytes = Math.max(leastSlackBytes, Math.min(mostSlackBytes, cwndBytes >> 3));
  return pipeBytes(tcb) + unsentBytes(tcb) < cwndBytes + slackBytes;
}

/** For what must be sent by some flow, room or not, and if it has to wait for its address to come back. */
function fallback(stack: StackState, group: FlowGroup, not?: Subflow): Subflow | undefined {
  const [best] = usable(stack, group).filter((subflow) => subflow !== not);
  const standing = (subflow: Subflow): boolean => subflow.connection.tcb?.finQueued === false;
  return best ?? group.subflows.find((subflow) => subflow !== not && isLive(subflow) && standing(subflow));
}

/** What silent flows hold, oldest first, as far as there is room elsewhere. */
function repeatSuspects(stack: StackState, group: FlowGroup): void {
  for (const subflow of group.subflows) {
    if (!isSuspect(subflow)) continue;
    for (const placed of unacknowledged(subflow)) {
      if (hasOtherCarrier(placed.record, subflow, isSound)) continue;
      const target = choose(stack, group, subflow);
      if (target === undefined || isSuspect(target)) return;
      if (isCarriedBy(placed.record, target) || !repeatOn(subflow, placed, target)) continue;
      markReady(stack, target.connection);
    }
  }
}

function isSound(subflow: Subflow): boolean {
  return !isSuspect(subflow);
}

/**
 * There is nothing new to send, be it that the application has no more or that the peer waits for the oldest: what another
 * flow would bring sooner than the one that has it goes by that, too.
 */
function repeatLate(stack: StackState, group: FlowGroup): void {
  const inUse = usable(stack, group);
  if (inUse.length < 2) return;
  for (const carrier of inUse) {
    for (const placed of unacknowledged(carrier)) {
      if (placed.record.carriers.length > 1) continue;
      const target = inUse.find((other) => other !== carrier && isSooner(other, carrier, placed));
      if (target === undefined) break;
      if (repeatOn(carrier, placed, target)) markReady(stack, target.connection);
    }
  }
}

/** Whether the end of a record is acknowledged sooner if it is sent again by `other`, which has room. */
function isSooner({ connection: other }: Subflow, { connection }: Subflow, { at, record }: Placed): boolean {
  const [quick, slow] = [other.tcb, connection.tcb];
  if (quick === undefined || slow === undefined || !hasRoom(quick)) return false;
  const aheadBytes = at + record.bytes - Math.max(0, slow.sndUna);
  return deliveryUs(quick) < (slow.rtt.srttUs * aheadBytes) / slow.congestion.cwndBytes;
}
