// A batch under construction: segments of one connection, written in place behind their lower headers, equal in size
// but for the last. The TCP header is filled once per batch, since only its sequence number and flags differ from
// segment to segment; the payload is copied straight from the send buffer's blocks.

import { createSegment, emitSegment, type Segment, TcpFlag } from '../wire/index.ts';
import { fillSack } from './ack.ts';
import { copyBlocks } from './blocks.ts';
import { ackNumber, type Tcb, tsvalAt, wireSeq } from './tcb.ts';
import type { Lower, PacketBatch } from './types.ts';
import { advertise } from './window.ts';

/** UDP_MAX_SEGMENTS of the kernels in use. */
export const maxBatchSegments = 64;

export const header: Segment = createSegment();
/** Of the batch under construction: its last segment is trusted. */
let lastTrusted = false;

export function beginBatch(batch: PacketBatch): void {
  batch.bytes = 0;
  batch.packetBytes = 0;
  batch.packets = 0;
  batch.probe = false;
  lastTrusted = false;
}

export function endsTrusted(): boolean {
  return lastTrusted;
}

export function headerBytesOf(lower: Lower, trusted: boolean): number {
  return trusted ? lower.trustedHeaderBytes : lower.headerBytes;
}

/** Everything that the segments of this batch have in common. */
export function fillHeader(tcb: Tcb, nowUs: number): void {
  const { options } = tcb;
  header.sourcePort = options.localPort ?? 0;
  header.destinationPort = options.remotePort ?? 0;
  header.ack = wireSeq(tcb.irs, ackNumber(tcb));
  header.windowRaw = advertise(tcb);
  header.hasTimestamps = tcb.timestamps;
  header.tsval = tsvalAt(tcb, nowUs);
  header.tsecr = tcb.tsRecent;
  header.mss = 0;
  header.windowScale = -1;
  header.sackPermitted = false;
  header.sackBlocks = 0;
}

/** How many packets of `packetBytes` still fit, with room for one of `behindBytes` after them; 0 after a shorter one. */
export function roomFor(batch: PacketBatch, packetBytes: number, behindBytes = 0): number {
  const { packets } = batch;
  if (packets > 0 && (packetBytes > batch.packetBytes || batch.bytes !== packets * batch.packetBytes)) return 0;
  const size = packets > 0 ? batch.packetBytes : packetBytes;
  const bySize = Math.floor((batch.buffer.length - batch.bytes - behindBytes - packetBytes) / size) + 1;
  return Math.max(0, Math.min(maxBatchSegments - packets - (behindBytes > 0 ? 1 : 0), bySize));
}

/** Appends one segment with `length` bytes of the stream from `offset` on. */
export function appendSegment(
  tcb: Tcb,
  lower: Lower,
  batch: PacketBatch,
  offset: number,
  length: number,
  flags: number,
  trusted: boolean,
): void {
  const start = batch.bytes;
  const at = start + headerBytesOf(lower, trusted);
  header.seq = wireSeq(tcb.iss, offset);
  header.flags = flags;
  const headerBytes = emitSegment(batch.view, at, header);
  if (length > 0) copyBlocks(tcb.sendBuffer, offset, batch.buffer, at + headerBytes, length);
  finishPacket(tcb, lower, batch, headerBytes + length, trusted);
}

/** A segment without data: an ACK with all its SACK blocks, or a probe for one. */
export function appendBare(tcb: Tcb, lower: Lower, batch: PacketBatch, offset: number): void {
  fillSack(tcb, header);
  appendSegment(tcb, lower, batch, offset, 0, TcpFlag.ACK, true);
  header.sackBlocks = 0;
}

/** The segment of `segmentBytes` stands in its place: the lower header goes in front. */
export function finishPacket(tcb: Tcb, lower: Lower, batch: PacketBatch, segmentBytes: number, trusted: boolean): void {
  const start = batch.bytes;
  lower.emitHeader(batch, start, segmentBytes, trusted);
  lastTrusted = trusted || lower.trustedHeaderBytes === lower.headerBytes;
  const packetBytes = headerBytesOf(lower, trusted) + segmentBytes;
  if (batch.packets === 0) batch.packetBytes = packetBytes;
  batch.packets++;
  batch.bytes = start + packetBytes;
  tcb.counters.segmentsOut++;
}
