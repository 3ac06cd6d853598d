// FINAL, 20 bytes: where both streams of a flow ended, as the sender of SAL's FIN saw it (docs/protocol.md, "FINAL").
// The receiver frees the flow only if its own figures agree. Critical: skipping it would let a stream be cut short.

import { Reason } from '../base/index.ts';
import { readUint53, writeUint53 } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const finalBytes = 20;

export interface Final {
  /** Bytes that the sender has sent in all. */
  sentOffset: number;
  /** Bytes that it has received and accepted in all. */
  receivedOffset: number;
}

export function createFinal(): Final {
  return { sentOffset: 0, receivedOffset: 0 };
}

export function emitFinal(view: DataView, offset: number, final: Readonly<Final>): number {
  emitExtensionHeader(view, offset, Extension.FINAL, finalBytes);
  writeUint53(view, offset + 4, final.sentOffset);
  writeUint53(view, offset + 12, final.receivedOffset);
  return finalBytes;
}

export function parseFinal(view: DataView, offset: number, out: Final): Reason {
  if (extensionBytes(view, offset) !== finalBytes) return Reason.BAD_EXTENSION;
  const sentOffset = readUint53(view, offset + 4);
  const receivedOffset = readUint53(view, offset + 12);
  if (sentOffset < 0 || receivedOffset < 0) return Reason.BAD_EXTENSION;
  out.sentOffset = sentOffset;
  out.receivedOffset = receivedOffset;
  return Reason.OK;
}
