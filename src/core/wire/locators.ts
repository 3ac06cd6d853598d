// The 20-byte locator entry that SOURCE and ADDRESS share: port 2, flags and family 1, priority 1, address 16 (IPv4:
// 4 bytes, then zeros). One size for both families keeps the count derivable from the extension's length.
// Parsing gives offsets; a `Locator` is made only for who keeps it, comparing needs none.

import { type Locator, Reason } from '../base/index.ts';
import { equalBytes, readBytes, writeBytes } from './bytes.ts';
import { type Extension, emitExtensionHeader, extensionBytes, requireCount } from './extension.ts';

export const locatorEntryBytes = 20;

export interface LocatorEntry {
  readonly locator: Locator;
  /** 4 bits; what they mean is the extension's matter. */
  readonly flags: number;
  /** 0 is tried first; 0 in SOURCE. */
  readonly priority: number;
}

/** A parsed list; entry i stands at `entryOffset(list, i)`. */
export interface LocatorList {
  count: number;
  /** Absolute, of the first entry. */
  entriesOffset: number;
}

export function createLocatorList(): LocatorList {
  return { count: 0, entriesOffset: 0 };
}

export function locatorListBytes(count: number): number {
  return 4 + count * locatorEntryBytes;
}

export function emitLocatorList(
  view: DataView,
  offset: number,
  type: Extension,
  entries: readonly LocatorEntry[],
  most: number,
): number {
  requireCount(entries.length, 1, most, 'locators');
  emitExtensionHeader(view, offset, type, locatorListBytes(entries.length));
  let at = offset + 4;
  for (const entry of entries) at += emitLocatorEntry(view, at, entry);
  return at - offset;
}

/** At least one entry, at most `most`, each of a known family. */
export function parseLocatorList(view: DataView, offset: number, most: number, out: LocatorList): Reason {
  const entriesBytes = extensionBytes(view, offset) - 4;
  const count = entriesBytes / locatorEntryBytes;
  if (count < 1 || !areEntries(view, offset + 4, entriesBytes, most)) return Reason.BAD_EXTENSION;
  out.count = count;
  out.entriesOffset = offset + 4;
  return Reason.OK;
}

/** Whether `bytes` at `offset` are entries, at most `most`, each of a known family. */
export function areEntries(view: DataView, offset: number, bytes: number, most: number): boolean {
  const count = bytes / locatorEntryBytes;
  if (!Number.isInteger(count) || count > most) return false;
  for (let i = 0; i < count; i++) {
    const family = view.getUint8(offset + i * locatorEntryBytes + 2) & 0x0f;
    if (family !== 4 && family !== 6) return false;
  }
  return true;
}

/** `index` is below `list.count`. */
export function entryOffset(list: Readonly<LocatorList>, index: number): number {
  return list.entriesOffset + index * locatorEntryBytes;
}

/** The entry's locator, copied. */
export function readLocator(view: DataView, entry: number): Locator {
  return { address: readBytes(view, entry + 4, addressBytes(view, entry)), port: view.getUint16(entry) };
}

export function readEntryFlags(view: DataView, entry: number): number {
  return view.getUint8(entry + 2) >>> 4;
}

export function readEntryPriority(view: DataView, entry: number): number {
  return view.getUint8(entry + 3);
}

export function entryIs(view: DataView, entry: number, locator: Locator): boolean {
  return (
    view.getUint16(entry) === locator.port &&
    addressBytes(view, entry) === locator.address.length &&
    equalBytes(view, entry + 4, locator.address)
  );
}

export function emitLocatorEntry(view: DataView, at: number, { locator, flags, priority }: LocatorEntry): number {
  const { address, port } = locator;
  view.setUint16(at, port);
  view.setUint8(at + 2, (flags << 4) | (address.length === 4 ? 4 : 6));
  view.setUint8(at + 3, priority);
  writeBytes(view, at + 4, address, 16);
  return locatorEntryBytes;
}

function addressBytes(view: DataView, entry: number): number {
  return (view.getUint8(entry + 2) & 0x0f) === 4 ? 4 : 16;
}
