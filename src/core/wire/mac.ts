// MAC, 20 bytes: a tag over the packet, made with the flow's keys (docs/protocol.md, "MAC"). The codec reserves its
// place with zeros and tells where it stands; the security layer writes and checks it there, since the tag covers
// everything else. The epoch tells which keys while a connection is handed to another process.

import { Reason } from '../base/index.ts';
import { writeZeros } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const macBytes = 20;
export const macTagBytes = 16;

/** TAG_ALL: for the next 10 s the sender takes payload only from packets with a tag. */
export const MacFlag = { TAG_ALL: 1 } as const;

export interface Mac {
  /** Low 8 bits of the key epoch. */
  epoch: number;
  /** `MacFlag` bits; others are ignored. */
  flags: number;
  /** Absolute; 16 bytes. */
  tagOffset: number;
}

export function createMac(): Mac {
  return { epoch: 0, flags: 0, tagOffset: 0 };
}

/** Writes a tag of zeros: the tag goes to `offset + 4` once the packet is complete. */
export function emitMac(view: DataView, offset: number, epoch: number, flags = 0): number {
  emitExtensionHeader(view, offset, Extension.MAC, macBytes);
  view.setUint8(offset + 2, epoch);
  view.setUint8(offset + 3, flags);
  writeZeros(view, offset + 4, offset + macBytes);
  return macBytes;
}

export function parseMac(view: DataView, offset: number, out: Mac): Reason {
  if (extensionBytes(view, offset) !== macBytes) return Reason.BAD_EXTENSION;
  out.epoch = view.getUint8(offset + 2);
  out.flags = view.getUint8(offset + 3);
  out.tagOffset = offset + 4;
  return Reason.OK;
}
