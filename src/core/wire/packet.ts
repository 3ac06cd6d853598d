// The base header, 16 bytes, and the walk over the extensions behind it (docs/protocol.md, "Packets"). `Packet` is
// filled again and again: numbers only, offsets absolute in the view, so that splitting a super-packet allocates nothing.
// A data packet has no extension and takes the short path. Each extension's body is parsed by its own file, on
// demand; here its length is checked, so that those parsers never read past the header.

import { Reason } from '../base/index.ts';
import { writeZeros } from './bytes.ts';
import { criticalBit, Extension, presentBit } from './extension.ts';

export const baseHeaderBytes = 16;
/** The header length is one byte of words. */
export const maxHeaderBytes = 1020;
export const wireVersion = 1;
/** A SYN's or RSYN's datagram, padding included: room for SOURCE, and a bound on what an answer may weigh. */
export const synBytes = 1100;

export const PacketKind = { PADDING: 0, PACKET: 1 } as const;

/** What `parsePacket` found. Of the extensions, `xxxOffset` is where the type byte stands; 0: absent. */
export interface Packet {
  kind: number;
  protocol: number;
  flags: number;
  /** Header, transport header and payload, without padding; 0 when the base header was bad, so that nothing follows. */
  totalBytes: number;
  /** Base header and extensions. */
  headerBytes: number;
  flowHi: number;
  flowLo: number;
  payloadOffset: number;
  payloadBytes: number;
  /** `Present` bits. */
  present: number;
  /** Type of the first unknown critical extension; 0: none. */
  unsupported: number;
  controlOffset: number;
  serviceOffset: number;
  sourceOffset: number;
  handshakeOffset: number;
  cookieOffset: number;
  macOffset: number;
  lineageOffset: number;
  challengeOffset: number;
  flowIdsOffset: number;
  joinOffset: number;
  resumeOffset: number;
  addressOffset: number;
  dataSeqOffset: number;
  signalOffset: number;
  finalOffset: number;
}

export function createPacket(): Packet {
  return {
    kind: 0,
    protocol: 0,
    flags: 0,
    totalBytes: 0,
    headerBytes: 0,
    flowHi: 0,
    flowLo: 0,
    payloadOffset: 0,
    payloadBytes: 0,
    present: 0,
    unsupported: 0,
    controlOffset: 0,
    serviceOffset: 0,
    sourceOffset: 0,
    handshakeOffset: 0,
    cookieOffset: 0,
    macOffset: 0,
    lineageOffset: 0,
    challengeOffset: 0,
    flowIdsOffset: 0,
    joinOffset: 0,
    resumeOffset: 0,
    addressOffset: 0,
    dataSeqOffset: 0,
    signalOffset: 0,
    finalOffset: 0,
  };
}

/**
 * Parses the packet at `offset` of a datagram that ends at `limit`. The next one starts `totalBytes` further on. OK with
 * kind PADDING: the rest of the datagram carries nothing. Otherwise why it is bad: after UNSUPPORTED_EXTENSION every
 * field is still valid (a FAIL echoes CONTROL); after BAD_EXTENSION or DUPLICATE_EXTENSION the base fields are.
 */
export function parsePacket(view: DataView, offset: number, limit: number, out: Packet): Reason {
  if ((out.present | out.unsupported) !== 0) clearExtensions(out);
  const room = limit - offset;
  if (room < baseHeaderBytes) return parseShort(view, offset, room, out);
  const word = view.getUint32(offset);
  const kind = (word >>> 24) & 0x0f;
  const headerBytes = (word >>> 14) & 0x3fc;
  const totalBytes = view.getUint16(offset + 4);
  if (word >>> 16 !== dataPacketStart || totalBytes < headerBytes || totalBytes > room) {
    if (kind === PacketKind.PADDING) return padding(room, out);
    const reason = checkBase(word >>> 28, kind, headerBytes, totalBytes, room);
    if (reason !== Reason.OK) return bad(out, kind, reason);
  }
  out.kind = kind;
  out.protocol = (word >>> 8) & 0xff;
  out.flags = word & 0xff;
  out.totalBytes = totalBytes;
  out.headerBytes = headerBytes;
  out.flowHi = view.getUint32(offset + 8);
  out.flowLo = view.getUint32(offset + 12);
  out.payloadOffset = offset + headerBytes;
  out.payloadBytes = totalBytes - headerBytes;
  if (headerBytes === baseHeaderBytes) return Reason.OK;
  return parseExtensions(view, offset + baseHeaderBytes, offset + headerBytes, out);
}

/**
 * Writes the 16 bytes of the base header; allocates nothing. Written last, when the lengths are known.
 * @param headerBytes base header and extensions, a multiple of 4
 * @param totalBytes header, transport header and payload
 */
export function emitBase(
  view: DataView,
  offset: number,
  headerBytes: number,
  protocol: number,
  totalBytes: number,
  flowHi: number,
  flowLo: number,
  flags = 0,
): void {
  view.setUint32(offset, (0x11000000 | (headerBytes << 14) | (protocol << 8) | flags) >>> 0);
  view.setUint32(offset + 4, (totalBytes << 16) >>> 0);
  view.setUint32(offset + 8, flowHi);
  view.setUint32(offset + 12, flowLo);
}

/** Zeros from the packet's end up to `paddedBytes` from `offset`; answers the size of the datagram. */
export function padTo(view: DataView, offset: number, totalBytes: number, paddedBytes: number): number {
  writeZeros(view, offset + totalBytes, offset + paddedBytes);
  return Math.max(totalBytes, paddedBytes);
}

/** Version 1, kind 1, a header of 4 words: no extension. */
const dataPacketStart = 0x1104;

/** Fewer bytes than a base header: padding is the only thing that may be so short. */
function parseShort(view: DataView, offset: number, room: number, out: Packet): Reason {
  if (room > 0 && (view.getUint8(offset) & 0x0f) === PacketKind.PADDING) return padding(room, out);
  return bad(out, PacketKind.PADDING, Reason.TRUNCATED);
}

function checkBase(version: number, kind: number, headerBytes: number, totalBytes: number, room: number): Reason {
  if (version !== wireVersion) return Reason.BAD_VERSION;
  if (kind !== PacketKind.PACKET) return Reason.BAD_KIND;
  if (headerBytes < baseHeaderBytes) return Reason.BAD_HEADER_LENGTH;
  if (totalBytes < headerBytes) return Reason.BAD_TOTAL_LENGTH;
  return totalBytes > room ? Reason.TRUNCATED : Reason.OK;
}

function padding(room: number, out: Packet): Reason {
  bad(out, PacketKind.PADDING, Reason.OK);
  out.totalBytes = room;
  return Reason.OK;
}

function bad(out: Packet, kind: number, reason: Reason): Reason {
  out.kind = kind;
  out.protocol = 0;
  out.flags = 0;
  out.totalBytes = 0;
  out.headerBytes = 0;
  out.flowHi = 0;
  out.flowLo = 0;
  out.payloadOffset = 0;
  out.payloadBytes = 0;
  return reason;
}

/** Goes on past an unknown critical extension: CONTROL may stand behind it. */
function parseExtensions(view: DataView, start: number, end: number, out: Packet): Reason {
  let at = start;
  while (at < end) {
    const type = view.getUint8(at);
    const bytes = view.getUint8(at + 1) * 4;
    if (bytes === 0 || at + bytes > end) return Reason.BAD_EXTENSION;
    const bit = presentBit(type);
    if ((out.present & bit) !== 0) return Reason.DUPLICATE_EXTENSION;
    if (bit !== 0) {
      out.present |= bit;
      setOffset(out, type, at);
    } else if ((type & criticalBit) !== 0 && out.unsupported === 0) out.unsupported = type;
    at += bytes;
  }
  return out.unsupported === 0 ? Reason.OK : Reason.UNSUPPORTED_EXTENSION;
}

function setOffset(out: Packet, type: number, at: number): void {
  switch (type) {
    case Extension.CONTROL:
      out.controlOffset = at;
      break;
    case Extension.SERVICE:
      out.serviceOffset = at;
      break;
    case Extension.SOURCE:
      out.sourceOffset = at;
      break;
    case Extension.HANDSHAKE:
      out.handshakeOffset = at;
      break;
    case Extension.COOKIE:
      out.cookieOffset = at;
      break;
    case Extension.MAC:
      out.macOffset = at;
      break;
    case Extension.LINEAGE:
      out.lineageOffset = at;
      break;
    case Extension.CHALLENGE:
      out.challengeOffset = at;
      break;
    case Extension.FLOWIDS:
      out.flowIdsOffset = at;
      break;
    case Extension.JOIN:
      out.joinOffset = at;
      break;
    case Extension.RESUME:
      out.resumeOffset = at;
      break;
    case Extension.ADDRESS:
      out.addressOffset = at;
      break;
    case Extension.DATASEQ:
      out.dataSeqOffset = at;
      break;
    case Extension.SIGNAL:
      out.signalOffset = at;
      break;
    case Extension.FINAL:
      out.finalOffset = at;
      break;
  }
}

function clearExtensions(out: Packet): void {
  out.present = 0;
  out.unsupported = 0;
  out.controlOffset = 0;
  out.serviceOffset = 0;
  out.sourceOffset = 0;
  out.handshakeOffset = 0;
  out.cookieOffset = 0;
  out.macOffset = 0;
  out.lineageOffset = 0;
  out.challengeOffset = 0;
  out.flowIdsOffset = 0;
  out.joinOffset = 0;
  out.resumeOffset = 0;
  out.addressOffset = 0;
  out.dataSeqOffset = 0;
  out.signalOffset = 0;
  out.finalOffset = 0;
}
