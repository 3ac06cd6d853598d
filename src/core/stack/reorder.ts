// The records of several flows in one order (docs/protocol.md, "Several flows"). A flow's bytes are read as one flow's
// always are, and acknowledged when their record was verified; what came before its turn waits here under its number, and
// what came before on another flow is verified and dropped. Windows open as soon as a record was taken, whether or not it
// is its turn: a flow must never wait for another one's data. What may wait is bounded by the sender's rule
// (schedule.ts), and only an application that does not read closes the windows, of all flows alike.

import { advanceReader, type RecordReader } from '../security/index.ts';
import { decodeAddresses, RecordType } from '../wire/index.ts';
import type { AheadRecord, FlowGroup } from './flow-group.ts';
import { comesTooEarly, takeResume } from './resume.ts';
import type { StackState } from './state.ts';
import { keepUnread } from './unread.ts';

/** What a record costs beside its bytes while it waits. */
const recordCostBytes = 128;
/** Windows are rounded, and a record may end past the last one. */
const slackBytes = 256 * 1024;

/**
 * `taken`: it is the connection's, now or when its turn comes. `known`: it came before. `wrong`: no honest peer has sent
 * it.
 */
export type Placement = 'taken' | 'known' | 'wrong';

/** A record that was verified. `bytes`: with header and tag. */
export function takeRecord(
  stack: StackState,
  group: FlowGroup,
  reader: RecordReader,
  number: number,
  record: AheadRecord,
  bytes: number,
): Placement {
  const { first, ahead } = group;
  if (number < reader.expected || ahead.has(number)) return 'known';
  const { type } = record;
  // Keys change when nothing else is under way.
  const early = number > reader.expected || ahead.size > 0;
  if (number > group.closeNumber || (type === RecordType.UPDATE && early)) return 'wrong';
  if (type === RecordType.CLOSE) group.closeNumber = number;
  first.receivedBytes += bytes;
  if (number > reader.expected) return keepAhead(stack, group, number, record) ? 'taken' : 'wrong';
  applyRecord(stack, group, reader, record);
  for (let next = ahead.get(reader.expected); next !== undefined; next = ahead.get(reader.expected)) {
    ahead.delete(reader.expected);
    dropAhead(stack, group, next);
    applyRecord(stack, group, reader, next);
  }
  return 'taken';
}

/** False: more than the windows can have allowed. */
function keepAhead(stack: StackState, group: FlowGroup, number: number, record: AheadRecord): boolean {
  const costBytes = record.plain.length + recordCostBytes;
  group.ahead.set(number, record);
  group.aheadBytes += costBytes;
  stack.blocks.elsewhereBytes += costBytes;
  let windows = 0;
  for (const { connection } of group.subflows) windows += connection.tcb?.rcvBufBytes ?? 0;
  group.mostAheadBytes = Math.max(group.mostAheadBytes, windows);
  return group.aheadBytes - group.ahead.size * recordCostBytes <= group.mostAheadBytes + slackBytes;
}

function dropAhead(stack: StackState, group: FlowGroup, { plain }: AheadRecord): void {
  group.aheadBytes -= plain.length + recordCostBytes;
  stack.blocks.elsewhereBytes -= plain.length + recordCostBytes;
}

/** Its turn has come. */
function applyRecord(stack: StackState, group: FlowGroup, reader: RecordReader, { type, plain }: AheadRecord): void {
  const { first } = group;
  reader.expected++;
  if (type === RecordType.UPDATE) return advanceReader(reader);
  if (type === RecordType.ADDRESS) return takeAddresses(stack, group, plain);
  if (type === RecordType.RESUME) return takeResume(stack, first, plain);
  if (comesTooEarly(first)) return;
  if (type === RecordType.CLOSE) {
    reader.closed = true;
    first.remoteEnd = true;
    return;
  }
  first.bytesIn += plain.length;
  if (plain.length === 0) return;
  first.awaitsReply = false;
  keepUnread(stack, first, plain);
}

/** Where else the peer is; what is made of it, paths.ts sees next. An empty list asks for ours. Not believed in the clear. */
export function takeAddresses(stack: StackState, group: FlowGroup, body: Uint8Array): void {
  const entries = decodeAddresses(body);
  if (entries === undefined || group.first.peerProof?.encrypted !== true) return;
  if (entries.length === 0) group.tellsPeer = true;
  else group.peers = entries;
  group.lookUs = stack.nowUs;
}
