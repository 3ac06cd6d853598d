// The 8 bytes in front of the payload of a connected datagram: its number, from 0, never repeated within a flow
// (docs/protocol.md, "Datagrams"). It is the nonce once there is a cipher, and what a replay window looks at.
// Datagrams to a service carry SERVICE instead, and no number.

import { Reason } from '../base/index.ts';
import { readUint53, writeUint53 } from './bytes.ts';

export const datagramHeaderBytes = 8;

export interface DatagramHeader {
  datagramNumber: number;
}

export function createDatagramHeader(): DatagramHeader {
  return { datagramNumber: 0 };
}

export function emitDatagramHeader(view: DataView, offset: number, datagramNumber: number): number {
  writeUint53(view, offset, datagramNumber);
  return datagramHeaderBytes;
}

/** `length` counts the header and the payload. */
export function parseDatagramHeader(view: DataView, offset: number, length: number, out: DatagramHeader): Reason {
  if (length < datagramHeaderBytes) return Reason.TRUNCATED;
  const datagramNumber = readUint53(view, offset);
  if (datagramNumber < 0) return Reason.BAD_RECORD;
  out.datagramNumber = datagramNumber;
  return Reason.OK;
}
