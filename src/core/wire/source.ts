// SOURCE: the way that a first packet took (docs/protocol.md, "SOURCE"). The first router writes the sender's address as
// it saw it, then its own; each later router adds its own. Routers find loops in it, an answer with VIA goes back along
// it, and the instance learns the client's address. Routers alone write it, so no tag or transcript may cover it.
// A router copies the packet once into the buffer that it sends; growing in place would move the payload anyway.

import type { Locator, Reason } from '../base/index.ts';
import { copyBytes, writeZeros } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';
import {
  createLocatorList,
  emitLocatorEntry,
  emitLocatorList,
  entryIs,
  entryOffset,
  type LocatorEntry,
  type LocatorList,
  locatorEntryBytes,
  locatorListBytes,
  parseLocatorList,
  readEntryFlags,
} from './locators.ts';
import { baseHeaderBytes, emitBase, maxHeaderBytes, type Packet } from './packet.ts';

/** The client and eleven routers. */
export const maxSourceEntries = 12;

/** `ROUTER`: a router's own locator, as opposed to the sender's as observed. */
export const SourceFlag = { ROUTER: 1 } as const;

export type Source = LocatorList;

export const createSource: () => Source = createLocatorList;
export const sourceBytes: (count: number) => number = locatorListBytes;

/** Throws RangeError for more than 12 entries. */
export function emitSource(view: DataView, offset: number, entries: readonly LocatorEntry[]): number {
  return emitLocatorList(view, offset, Extension.SOURCE, entries, maxSourceEntries);
}

export function parseSource(view: DataView, offset: number, out: Source): Reason {
  return parseLocatorList(view, offset, maxSourceEntries, out);
}

/** Whether the packet passed the router at `router` before: it is going in circles. */
export function sourceHasRouter(view: DataView, source: Readonly<Source>, router: Locator): boolean {
  for (let i = 0; i < source.count; i++) {
    const entry = entryOffset(source, i);
    if ((readEntryFlags(view, entry) & SourceFlag.ROUTER) !== 0 && entryIs(view, entry, router)) return true;
  }
  return false;
}

/**
 * Copies a packet to `to` with `router` appended to its SOURCE, and `observed` (its sender) before that when it has none
 * yet. SOURCE becomes the last extension. Padding shrinks by what the header grows, so the datagram keeps its size while
 * it can. Answers the size of the new datagram, or 0 when SOURCE, the header or `to` is full (count it as LIMIT).
 * @param packet parsed from `from`, its SOURCE (if any) accepted by `parseSource`
 * @param datagramBytes size of the received datagram from the packet's first byte, padding included
 */
export function appendSource(
  from: DataView,
  packet: Readonly<Packet>,
  datagramBytes: number,
  to: DataView,
  toOffset: number,
  observed: Locator,
  router: Locator,
): number {
  const held = packet.sourceOffset === 0 ? 0 : extensionBytes(from, packet.sourceOffset);
  const entries = held === 0 ? 2 : (held - 4) / locatorEntryBytes + 1;
  const headerBytes = packet.headerBytes - held + sourceBytes(entries);
  const totalBytes = headerBytes + packet.payloadBytes;
  const bytes = Math.max(datagramBytes, totalBytes);
  if (entries > maxSourceEntries || headerBytes > maxHeaderBytes || totalBytes > 0xffff) return 0;
  if (toOffset + bytes > to.byteLength) return 0;
  const at = toOffset + copyOtherExtensions(from, packet, held, to, toOffset);
  emitExtensionHeader(to, at, Extension.SOURCE, sourceBytes(entries));
  if (held === 0) emitLocatorEntry(to, at + 4, { locator: observed, flags: 0, priority: 0 });
  else copyBytes(from, packet.sourceOffset + 4, to, at + 4, held - 4);
  const last = toOffset + headerBytes - locatorEntryBytes;
  emitLocatorEntry(to, last, { locator: router, flags: SourceFlag.ROUTER, priority: 0 });
  emitBase(to, toOffset, headerBytes, packet.protocol, totalBytes, packet.flowHi, packet.flowLo, packet.flags);
  copyBytes(from, packet.payloadOffset, to, toOffset + headerBytes, packet.payloadBytes);
  writeZeros(to, toOffset + totalBytes, toOffset + bytes);
  return bytes;
}

/** Everything of the header but the base and SOURCE; answers where the next extension goes, from the packet's start. */
function copyOtherExtensions(from: DataView, packet: Readonly<Packet>, held: number, to: DataView, toOffset: number) {
  const start = packet.payloadOffset - packet.headerBytes;
  const cut = held === 0 ? packet.payloadOffset : packet.sourceOffset;
  const before = cut - start;
  const after = packet.payloadOffset - cut - held;
  copyBytes(from, start + baseHeaderBytes, to, toOffset + baseHeaderBytes, before - baseHeaderBytes);
  copyBytes(from, cut + held, to, toOffset + before, after);
  return before + after;
}

/** A copy of the packet as it was before any router: what tags and handshakes cover. */
export function withoutSource(from: DataView, packet: Readonly<Packet>): Uint8Array {
  const held = packet.sourceOffset === 0 ? 0 : extensionBytes(from, packet.sourceOffset);
  const headerBytes = packet.headerBytes - held;
  const bytes = new Uint8Array(headerBytes + packet.payloadBytes);
  const to = new DataView(bytes.buffer);
  copyOtherExtensions(from, packet, held, to, 0);
  emitBase(to, 0, headerBytes, packet.protocol, bytes.length, packet.flowHi, packet.flowLo, packet.flags);
  copyBytes(from, packet.payloadOffset, to, headerBytes, packet.payloadBytes);
  return bytes;
}
