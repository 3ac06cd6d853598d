// The 12-byte header of a record, the unit in which stream data is authenticated (docs/protocol.md, "Records"): type,
// body length, 64-bit number. The cipher's tag follows the body and is not counted in it. The number is the nonce and
// the order of a connection's data, so it is never repeated.

import { Reason } from '../base/index.ts';
import { readUint53, writeUint53 } from './bytes.ts';

export const recordHeaderBytes = 12;
export const maxRecordBodyBytes = 65536;
/** Numbers of records are below it; those from it on stand for keys (security/record-cipher.ts). */
export const recordNumberEnd = 2 ** 52;
/** So many of them, from the first on, are of branches. */
export const branchNumbers = 2 ** 51;
/** The body of BRANCH, in the clear: the number of the branch. */
export const branchBodyBytes = 8;

/**
 * `CLOSE`: nothing follows in this direction. `PADDED`: data whose length does not show. `UPDATE`: what follows is
 * under the next key. `ADDRESS`: where else the sender is. `BRANCH`: this one and what follows are under a branch of the
 * present key. `RESUME`: where a lost connection stands, for which this one is. 3, 7 and 9 stay unassigned.
 */
export const RecordType = { DATA: 1, CLOSE: 2, PADDED: 4, UPDATE: 5, ADDRESS: 6, BRANCH: 8, RESUME: 10 } as const;
/** In front of the data of a PADDED record: their length. */
export const paddedLengthBytes = 4;

const known = [false, true, true, false, true, true, true, false, true, false, true];

export interface RecordHeader {
  /** `RecordType`. */
  type: number;
  /** 0..65536, without the tag. */
  bodyBytes: number;
  recordNumber: number;
}

export function createRecordHeader(): RecordHeader {
  return { type: 0, bodyBytes: 0, recordNumber: 0 };
}

export function emitRecordHeader(
  view: DataView,
  offset: number,
  type: number,
  bodyBytes: number,
  recordNumber: number,
): number {
  view.setUint32(offset, ((type << 24) | bodyBytes) >>> 0);
  writeUint53(view, offset + 4, recordNumber);
  return recordHeaderBytes;
}

/** The body of BRANCH. */
export function emitBranch(view: DataView, offset: number, number: number): void {
  writeUint53(view, offset, number);
}

/** Undefined: such a number a branch cannot have. */
export function parseBranch(view: DataView, offset: number): number | undefined {
  const number = readUint53(view, offset);
  return number >= recordNumberEnd && number < recordNumberEnd + branchNumbers ? number : undefined;
}

/** `length` is what there is to read from `offset`; the body need not be there yet. */
export function parseRecordHeader(view: DataView, offset: number, length: number, out: RecordHeader): Reason {
  if (length < recordHeaderBytes) return Reason.TRUNCATED;
  const word = view.getUint32(offset);
  const type = word >>> 24;
  const bodyBytes = word & 0xffffff;
  const recordNumber = readUint53(view, offset + 4);
  if (known[type] !== true) return Reason.BAD_RECORD;
  if (bodyBytes > maxRecordBodyBytes || recordNumber < 0 || recordNumber >= recordNumberEnd) return Reason.BAD_RECORD;
  out.type = type;
  out.bodyBytes = bodyBytes;
  out.recordNumber = recordNumber;
  return Reason.OK;
}
