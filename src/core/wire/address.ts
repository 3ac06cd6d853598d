// ADDRESS: the sender's own locators, so that the peer knows where else to reach it (docs/protocol.md, "ADDRESS"). The
// list replaces the one before it. It is a hint: nothing but a challenge is sent to a new address until one was answered
// there, so a receiver may skip the extension.

import type { Reason } from '../base/index.ts';
import { Extension } from './extension.ts';
import {
  createLocatorList,
  emitLocatorList,
  type LocatorEntry,
  type LocatorList,
  locatorListBytes,
  parseLocatorList,
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
