// DATASEQ, 12 bytes: which record its sender expects next, in the order of the whole connection (docs/protocol.md,
// "DATASEQ"). It acknowledges those below, whichever flow they came by. Critical, so that whoever knows no connections of
// several flows refuses their packets.

import { Reason } from '../base/index.ts';
import { readUint53, writeUint53 } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const dataSeqBytes = 12;

export interface DataSeq {
  recordNumber: number;
}

export function createDataSeq(): DataSeq {
  return { recordNumber: 0 };
}

export function emitDataSeq(view: DataView, offset: number, dataSeq: Readonly<DataSeq>): number {
  emitExtensionHeader(view, offset, Extension.DATASEQ, dataSeqBytes);
  writeUint53(view, offset + 4, dataSeq.recordNumber);
  return dataSeqBytes;
}

export function parseDataSeq(view: DataView, offset: number, out: DataSeq): Reason {
  if (extensionBytes(view, offset) !== dataSeqBytes) return Reason.BAD_EXTENSION;
  const recordNumber = readUint53(view, offset + 4);
  if (recordNumber < 0) return Reason.BAD_EXTENSION;
  out.recordNumber = recordNumber;
  return Reason.OK;
}
