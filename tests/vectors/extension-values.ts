// The values of extensions as they stand in the vectors: plain JSON, ids and bytes in hexadecimal. `readExtension` parses
// one into that form and `writeExtension` emits it from that form; the vectors and the fuzz target both go through here.

import { Reason } from '../../src/core/base/index.ts';
import * as wire from '../../src/core/wire/index.ts';
import { fromHex, toHex } from './load.ts';

export type ExtensionName = keyof typeof wire.Extension;
type Json = string | number | boolean | undefined | readonly Json[] | { readonly [key: string]: Json };
export type ExtensionValue = { readonly [key: string]: Json };

interface Codec {
  read(view: DataView, offset: number): ExtensionValue | Reason;
  // biome-ignore lint/suspicious/noExplicitAny: the shape of a value depends on the name beside it in the JSON
  write(view: DataView, offset: number, value: any): number;
}

export const extensionNames = Object.keys(wire.Extension) as ExtensionName[];

/** The value of the extension at `offset`, or why it is refused. */
export function readExtension(view: DataView, offset: number, name: ExtensionName): ExtensionValue | Reason {
  return codecs[name].read(view, offset);
}

/** Answers the bytes written. */
export function writeExtension(view: DataView, offset: number, name: ExtensionName, value: ExtensionValue): number {
  return codecs[name].write(view, offset, value);
}

/** Where the packet's extension stands; 0: absent. */
export function extensionOffset(packet: wire.Packet, name: ExtensionName): number {
  return offsets[name](packet);
}

const offsets: Record<ExtensionName, (packet: wire.Packet) => number> = {
  CONTROL: (packet) => packet.controlOffset,
  SERVICE: (packet) => packet.serviceOffset,
  SOURCE: (packet) => packet.sourceOffset,
  HANDSHAKE: (packet) => packet.handshakeOffset,
  COOKIE: (packet) => packet.cookieOffset,
  MAC: (packet) => packet.macOffset,
  LINEAGE: (packet) => packet.lineageOffset,
  CHALLENGE: (packet) => packet.challengeOffset,
  FLOWIDS: (packet) => packet.flowIdsOffset,
  JOIN: (packet) => packet.joinOffset,
  RESUME: (packet) => packet.resumeOffset,
  ADDRESS: (packet) => packet.addressOffset,
  DATASEQ: (packet) => packet.dataSeqOffset,
  SIGNAL: (packet) => packet.signalOffset,
  FINAL: (packet) => packet.finalOffset,
};

const codecs: Record<ExtensionName, Codec> = {
  CONTROL: {
    read: reader(wire.createControl, wire.parseControl, (_view, { nonceHi, nonceLo, flowHi, flowLo, ...fields }) => ({
      ...fields,
      nonce: idText(nonceHi, nonceLo),
      flow: idText(flowHi, flowLo),
    })),
    write: (view, offset, { nonce, flow, ...fields }) =>
      wire.emitControl(view, offset, {
        ...fields,
        nonceHi: high(nonce),
        nonceLo: low(nonce),
        flowHi: high(flow),
        flowLo: low(flow),
      }),
  },
  SERVICE: {
    read: reader(wire.createService, wire.parseService, (view, { destinationOffset, sourceOffset }) => {
      const destination = toHex(wire.readServiceId(view, destinationOffset));
      return sourceOffset === 0
        ? { destination }
        : { destination, source: toHex(wire.readServiceId(view, sourceOffset)) };
    }),
    write: (view, offset, { destination, source }) =>
      wire.emitService(view, offset, fromHex(destination), source === undefined ? undefined : fromHex(source)),
  },
  SOURCE: {
    read: reader(wire.createSource, wire.parseSource, locatorValues),
    write: (view, offset, { entries }) => wire.emitSource(view, offset, entries.map(locatorEntry)),
  },
  HANDSHAKE: {
    read: reader(wire.createHandshake, wire.parseHandshake, (view, { pattern, message, bodyOffset, bodyBytes }) => ({
      pattern,
      message,
      body: hexAt(view, bodyOffset, bodyBytes),
    })),
    write: (view, offset, { pattern, message, body }) =>
      wire.emitHandshake(view, offset, pattern, message, fromHex(body)),
  },
  COOKIE: {
    read: reader(wire.createCookie, wire.parseCookie, (view, { direction, cookieOffset, cookieBytes }) => ({
      direction,
      cookie: hexAt(view, cookieOffset, cookieBytes),
    })),
    write: (view, offset, { direction, cookie }) => wire.emitCookie(view, offset, direction, fromHex(cookie)),
  },
  MAC: {
    read: reader(wire.createMac, wire.parseMac, (view, { epoch, tagOffset }) => ({
      epoch,
      tag: hexAt(view, tagOffset, wire.macTagBytes),
    })),
    write: (view, offset, { epoch, tag }) => {
      const bytes = wire.emitMac(view, offset, epoch);
      fromHex(tag).forEach((byte, i) => {
        view.setUint8(offset + 4 + i, byte);
      });
      return bytes;
    },
  },
  LINEAGE: {
    read: reader(wire.createLineage, wire.parseLineage, (_view, { committedHi, committedLo, sent }) => ({
      committed: idText(committedHi, committedLo),
      sent: idTexts(sent),
    })),
    write: (view, offset, { committed, sent }) => {
      const lineage = wire.createLineage();
      lineage.committedHi = high(committed);
      lineage.committedLo = low(committed);
      fillIds(lineage.sent, sent);
      return wire.emitLineage(view, offset, lineage);
    },
  },
  CHALLENGE: {
    read: reader(wire.createChallenge, wire.parseChallenge, (_view, { tokenHi, tokenLo, ...fields }) => ({
      ...fields,
      token: idText(tokenHi, tokenLo),
    })),
    write: (view, offset, { direction, token }) =>
      wire.emitChallenge(view, offset, { direction, tokenHi: high(token), tokenLo: low(token) }),
  },
  FLOWIDS: {
    read: reader(wire.createFlowIds, wire.parseFlowIds, (_view, ids) => ({ ids: idTexts(ids) })),
    write: (view, offset, { ids }) => {
      const list = wire.createFlowIds();
      fillIds(list, ids);
      return wire.emitFlowIds(view, offset, list);
    },
  },
  JOIN: {
    read: reader(wire.createJoin, wire.parseJoin, (_view, { tokenHi, tokenLo, ...fields }) => ({
      ...fields,
      token: idText(tokenHi, tokenLo),
    })),
    write: (view, offset, { token, ...fields }) =>
      wire.emitJoin(view, offset, { ...fields, tokenHi: high(token), tokenLo: low(token) }),
  },
  RESUME: {
    read: reader(wire.createResume, wire.parseResume, (view, { tokenOffset, tokenBytes, ...fields }) => ({
      ...fields,
      token: hexAt(view, tokenOffset, tokenBytes),
    })),
    write: (view, offset, { sentOffset, acknowledgedOffset, token }) =>
      wire.emitResume(view, offset, sentOffset, acknowledgedOffset, fromHex(token)),
  },
  ADDRESS: {
    read: reader(wire.createAddress, wire.parseAddress, locatorValues),
    write: (view, offset, { entries }) => wire.emitAddress(view, offset, entries.map(locatorEntry)),
  },
  DATASEQ: {
    read: reader(wire.createDataSeq, wire.parseDataSeq, (_view, fields) => ({ ...fields })),
    write: wire.emitDataSeq,
  },
  SIGNAL: {
    read: reader(wire.createSignal, wire.parseSignal, (view, { protocol, bodyOffset, bodyBytes }) => ({
      protocol,
      body: hexAt(view, bodyOffset, bodyBytes),
    })),
    write: (view, offset, { protocol, body }) => wire.emitSignal(view, offset, protocol, fromHex(body)),
  },
  FINAL: {
    read: reader(wire.createFinal, wire.parseFinal, (_view, fields) => ({ ...fields })),
    write: wire.emitFinal,
  },
};

function reader<T>(
  create: () => T,
  parse: (view: DataView, offset: number, out: T) => Reason,
  toValue: (view: DataView, out: T) => ExtensionValue,
): Codec['read'] {
  return (view, offset) => {
    const out = create();
    const reason = parse(view, offset, out);
    return reason === Reason.OK ? toValue(view, out) : reason;
  };
}

function locatorValues(view: DataView, list: wire.LocatorList): ExtensionValue {
  const entries = Array.from({ length: list.count }, (_, i) => {
    const entry = wire.entryOffset(list, i);
    const { address, port } = wire.readLocator(view, entry);
    const flags = wire.readEntryFlags(view, entry);
    return { address: toHex(address), port, flags, priority: wire.readEntryPriority(view, entry) };
  });
  return { entries };
}

function locatorEntry(value: { address: string; port: number; flags: number; priority: number }): wire.LocatorEntry {
  const { address, port, flags, priority } = value;
  return { locator: { address: fromHex(address), port }, flags, priority };
}

function idText(hi: number, lo: number): string {
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
}

export function high(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16);
}

export function low(id: string): number {
  return Number.parseInt(id.slice(8), 16);
}

function idTexts(ids: wire.IdList): string[] {
  return Array.from({ length: ids.count }, (_, i) => idText(ids.hi[i] ?? 0, ids.lo[i] ?? 0));
}

function fillIds(list: wire.IdList, ids: readonly string[]): void {
  list.count = ids.length;
  ids.forEach((id, i) => {
    list.hi[i] = high(id);
    list.lo[i] = low(id);
  });
}

function hexAt(view: DataView, offset: number, bytes: number): string {
  return toHex(wire.readBytes(view, offset, bytes));
}
