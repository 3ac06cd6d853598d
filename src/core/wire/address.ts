// ADDRESS: the sender's own locators, so that the peer knows where else to reach it (docs/protocol.md, "ADDRESS"). The
// list replaces the one before it. It is a hint: nothing but what asks for an answer is sent to a new address until one has
// come from there, so a receiver may skip the extension. The same entries are the body of a record (docs/protocol.md,
// "Several flows"), where nobody on the way reads them; there the list may be empty, which asks for the peer's.

import type { Reason } from '../base/index.ts';
import { Extension } from './extension.ts';
import {
  areEntries,
  createLocatorList,
  emitLocatorEntry,
  emitLocatorList,
  type LocatorEntry,
  type LocatorList,
  locatorEntryBytes,
  locatorListBytes,
  parseLocatorList,
  readEntryFlags,
  readEntryPriority,
  readLocator,
} from './locators.ts';

export const maxAddresses = 8;

/** `BACKUP`: to be used only when no other works. */
export const AddressFlag = { BACKUP: 1 } as const;

export type Address = LocatorList;

export const createAddress: () => Address = createLocatorList;
export const addressBytes: (count: number) => number = locatorListBytes;

/** Throws RangeError for more than 8 entries. */
export function emitAddress(view: DataView, offset: number, entries: readonly LocatorEntry[]): number {
  return emitLocatorList(view, offset, Extension.ADDRESS, entries, maxAddresses);
}

export function parseAddress(view: DataView, offset: number, out: Address): Reason {
  return parseLocatorList(view, offset, maxAddresses, out);
}

/** The body of a record: no more than 8 entries. */
export function encodeAddresses(entries: readonly LocatorEntry[]): Uint8Array {
  const body = new Uint8Array(entries.length * locatorEntryBytes);
  const view = new DataView(body.buffer);
  for (const [i, entry] of entries.entries()) emitLocatorEntry(view, i * locatorEntryBytes, entry);
  return body;
}

/** Undefined: no such body. */
export function decodeAddresses(body: Uint8Array): LocatorEntry[] | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (!areEntries(view, 0, body.length, maxAddresses)) return undefined;
  const entries: LocatorEntry[] = [];
  for (let at = 0; at < body.length; at += locatorEntryBytes)
    entries.push({
      locator: readLocator(view, at),
      flags: readEntryFlags(view, at),
      priority: readEntryPriority(view, at),
    });
  return entries;
}
