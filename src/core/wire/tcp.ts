// The header of a TCP segment (RFC 9293 section 3.1) with the options of RFC 7323 (window scale, timestamps) and RFC 2018
// (SACK). One `Segment` record serves parsing and emitting and is reused: passing sequence numbers above 2^31 as
// arguments would box each. Nearly every segment has timestamps as its only option, in the layout that all
// stacks send (NOP NOP TIMESTAMP): that one is read and written without looking at options at all.

import { Reason } from '../base/index.ts';

export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

export const tcpHeaderBytes = 20;
/** With timestamps and nothing else. */
export const tcpDataHeaderBytes = 32;
export const maxTcpHeaderBytes = 60;
export const maxSackBlocks = 4;
/** RFC 7323 section 2.3: a larger shift is taken as this. */
export const maxWindowScale = 14;

export interface Segment {
  /** Both 0 above SAL. */
  sourcePort: number;
  destinationPort: number;
  /** 32 bits, as on the wire. */
  seq: number;
  ack: number;
  /** `TcpFlag` bits. */
  flags: number;
  /** 16 bits, before scaling. */
  windowRaw: number;
  urgent: number;
  /** Length of the header; set by `parseSegment`, not read by `emitSegment`. */
  dataOffsetBytes: number;
  /** 0: absent. */
  mss: number;
  /** 0..14; -1: absent. */
  windowScale: number;
  sackPermitted: boolean;
  hasTimestamps: boolean;
  tsval: number;
  tsecr: number;
  /** How many of the blocks count, 0..4; beside timestamps there is room for 3. */
  sackBlocks: number;
  readonly sackStart: Uint32Array;
  /** One past the last byte. */
  readonly sackEnd: Uint32Array;
}

export function createSegment(): Segment {
  return {
    sourcePort: 0,
    destinationPort: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    windowRaw: 0,
    urgent: 0,
    dataOffsetBytes: 0,
    mss: 0,
    windowScale: -1,
    sackPermitted: false,
    hasTimestamps: false,
    tsval: 0,
    tsecr: 0,
    sackBlocks: 0,
    sackStart: new Uint32Array(maxSackBlocks),
    sackEnd: new Uint32Array(maxSackBlocks),
  };
}

/** Parses the segment of `length` bytes at `offset`; its payload starts `dataOffsetBytes` further on. */
export function parseSegment(view: DataView, offset: number, length: number, out: Segment): Reason {
  if (length < tcpHeaderBytes) return Reason.TRUNCATED;
  const word = view.getUint32(offset + 12);
  const dataOffsetBytes = (word >>> 28) * 4;
  if (dataOffsetBytes < tcpHeaderBytes || dataOffsetBytes > length) return Reason.BAD_SEGMENT;
  out.sourcePort = view.getUint16(offset);
  out.destinationPort = view.getUint16(offset + 2);
  out.seq = view.getUint32(offset + 4);
  out.ack = view.getUint32(offset + 8);
  out.flags = (word >>> 16) & 0xff;
  out.windowRaw = word & 0xffff;
  out.urgent = view.getUint16(offset + 18);
  out.dataOffsetBytes = dataOffsetBytes;
  clearOptions(out);
  if (dataOffsetBytes === tcpDataHeaderBytes && view.getUint32(offset + 20) === timestampsWord) {
    readTimestamps(view, offset + 24, out);
    return Reason.OK;
  }
  if (dataOffsetBytes === tcpHeaderBytes) return Reason.OK;
  return parseOptions(view, offset + tcpHeaderBytes, offset + dataOffsetBytes, out);
}

/** Of a segment that `parseSegment` has found good. */
export function segmentHeaderBytesAt(view: DataView, offset: number): number {
  return (view.getUint8(offset + 12) >>> 4) * 4;
}

/** What `emitSegment` will write for this record. */
export function segmentHeaderBytes(segment: Readonly<Segment>): number {
  let bytes = tcpHeaderBytes;
  if (segment.hasTimestamps) bytes += 12;
  if (segment.mss !== 0) bytes += 4;
  if (segment.sackPermitted && !segment.hasTimestamps) bytes += 4;
  if (segment.windowScale >= 0) bytes += 4;
  const blocks = fittingBlocks(segment, bytes);
  return blocks === 0 ? bytes : bytes + 4 + blocks * 8;
}

/**
 * Writes the header, with each option that the record holds and as many SACK blocks as fit; checksum 0. Answers its length.
 */
export function emitSegment(view: DataView, offset: number, segment: Readonly<Segment>): number {
  const plain = segment.mss === 0 && segment.windowScale < 0 && !segment.sackPermitted && segment.sackBlocks === 0;
  let end = offset + tcpHeaderBytes;
  if (plain && segment.hasTimestamps) {
    view.setUint32(end, timestampsWord);
    end = writeTimestamps(view, end + 4, segment);
  } else if (!plain) end = emitOptions(view, end, segment);
  const bytes = end - offset;
  view.setUint32(offset, ((segment.sourcePort << 16) | segment.destinationPort) >>> 0);
  view.setUint32(offset + 4, segment.seq);
  view.setUint32(offset + 8, segment.ack);
  view.setUint32(offset + 12, ((bytes << 26) | (segment.flags << 16) | segment.windowRaw) >>> 0);
  view.setUint32(offset + 16, segment.urgent);
  return bytes;
}

const Kind = { END: 0, NOP: 1, MSS: 2, WINDOW_SCALE: 3, SACK_PERMITTED: 4, SACK: 5, TIMESTAMPS: 8 } as const;

/** NOP NOP, then kind and length of the timestamps. */
const timestampsWord = 0x0101080a;
const sackPermittedWord = 0x01010402;
/** SACK-permitted in the place of the two NOPs. */
const sackPermittedTimestampsWord = 0x0402080a;

/** Four words at most; every option is word-aligned, so that the order is the only thing left to choose. */
function emitOptions(view: DataView, at: number, segment: Readonly<Segment>): number {
  const start = at;
  if (segment.mss !== 0) at = writeWord(view, at, (Kind.MSS << 24) | (4 << 16) | segment.mss);
  if (segment.hasTimestamps) {
    view.setUint32(at, segment.sackPermitted ? sackPermittedTimestampsWord : timestampsWord);
    at = writeTimestamps(view, at + 4, segment);
  } else if (segment.sackPermitted) at = writeWord(view, at, sackPermittedWord);
  if (segment.windowScale >= 0) at = writeWord(view, at, 0x01030300 | segment.windowScale);
  const blocks = fittingBlocks(segment, tcpHeaderBytes + at - start);
  if (blocks === 0) return at;
  at = writeWord(view, at, 0x01010500 | (2 + blocks * 8));
  for (let i = 0; i < blocks; i++) {
    view.setUint32(at, segment.sackStart[i]!);
    view.setUint32(at + 4, segment.sackEnd[i]!);
    at += 8;
  }
  return at;
}

function fittingBlocks(segment: Readonly<Segment>, headerBytes: number): number {
  return Math.max(0, Math.min(segment.sackBlocks, (maxTcpHeaderBytes - headerBytes - 4) >> 3));
}

function writeWord(view: DataView, at: number, word: number): number {
  view.setUint32(at, word);
  return at + 4;
}

function writeTimestamps(view: DataView, at: number, segment: Readonly<Segment>): number {
  view.setUint32(at, segment.tsval);
  view.setUint32(at + 4, segment.tsecr);
  return at + 8;
}

function readTimestamps(view: DataView, at: number, out: Segment): void {
  out.hasTimestamps = true;
  out.tsval = view.getUint32(at);
  out.tsecr = view.getUint32(at + 4);
}

function clearOptions(out: Segment): void {
  out.mss = 0;
  out.windowScale = -1;
  out.sackPermitted = false;
  out.hasTimestamps = false;
  out.tsval = 0;
  out.tsecr = 0;
  out.sackBlocks = 0;
}

function parseOptions(view: DataView, start: number, end: number, out: Segment): Reason {
  let at = start;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === Kind.END) return Reason.OK;
    if (kind === Kind.NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) return Reason.BAD_SEGMENT;
    const length = view.getUint8(at + 1);
    if (length < 2 || at + length > end) return Reason.BAD_SEGMENT;
    if (!parseOption(view, at, kind, length, out)) return Reason.BAD_SEGMENT;
    at += length;
  }
  return Reason.OK;
}

/** False when a known option has a length of no use. Unknown ones are skipped (RFC 9293 MUST-6). */
function parseOption(view: DataView, at: number, kind: number, length: number, out: Segment): boolean {
  switch (kind) {
    case Kind.MSS:
      if (length !== 4) return false;
      out.mss = view.getUint16(at + 2);
      return true;
    case Kind.WINDOW_SCALE:
      if (length !== 3) return false;
      out.windowScale = Math.min(view.getUint8(at + 2), maxWindowScale);
      return true;
    case Kind.SACK_PERMITTED:
      out.sackPermitted = length === 2;
      return length === 2;
    case Kind.TIMESTAMPS:
      if (length !== 10) return false;
      readTimestamps(view, at + 2, out);
      return true;
    case Kind.SACK:
      return parseSack(view, at, length, out);
    default:
      return true;
  }
}

function parseSack(view: DataView, at: number, length: number, out: Segment): boolean {
  const blocks = (length - 2) / 8;
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > maxSackBlocks) return false;
  for (let i = 0; i < blocks; i++) {
    out.sackStart[i] = view.getUint32(at + 2 + i * 8);
    out.sackEnd[i] = view.getUint32(at + 6 + i * 8);
  }
  out.sackBlocks = blocks;
  return true;
}
