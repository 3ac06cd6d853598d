// RESUME: a new connection goes on where a lost one stopped (docs/protocol.md, "RESUME"): the token that stands for the
// old one, and how far the sender had got in each direction. It travels under the new connection's encryption, never in
// the SYN. An instance that does not know it must refuse, or the application would read bytes twice: critical.

import { Reason } from '../base/index.ts';
import { readUint53, writeBytes, writeUint53 } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes, padded, requireCount } from './extension.ts';

export const maxResumeTokenBytes = 64;

const fixedBytes = 20;

export interface Resume {
  /** Bytes of the stream that the sender has sent. */
  sentOffset: number;
  /** Bytes of the other stream that it has received and accepted. */
  acknowledgedOffset: number;
  /** Absolute. */
  tokenOffset: number;
  /** 1..64. */
  tokenBytes: number;
}

export function createResume(): Resume {
  return { sentOffset: 0, acknowledgedOffset: 0, tokenOffset: 0, tokenBytes: 0 };
}

export function resumeBytes(tokenBytes: number): number {
  return fixedBytes + padded(tokenBytes);
}

/** Throws RangeError for a token of other than 1 to 64 bytes. */
export function emitResume(
  view: DataView,
  offset: number,
  sentOffset: number,
  acknowledgedOffset: number,
  token: Uint8Array,
): number {
  requireCount(token.length, 1, maxResumeTokenBytes, 'bytes of token in RESUME');
  const bytes = resumeBytes(token.length);
  emitExtensionHeader(view, offset, Extension.RESUME, bytes);
  view.setUint8(offset + 2, token.length);
  writeUint53(view, offset + 4, sentOffset);
  writeUint53(view, offset + 12, acknowledgedOffset);
  writeBytes(view, offset + fixedBytes, token, bytes - fixedBytes);
  return bytes;
}

export function parseResume(view: DataView, offset: number, out: Resume): Reason {
  const tokenBytes = view.getUint8(offset + 2);
  if (tokenBytes === 0 || tokenBytes > maxResumeTokenBytes) return Reason.BAD_EXTENSION;
  if (extensionBytes(view, offset) !== resumeBytes(tokenBytes)) return Reason.BAD_EXTENSION;
  const sentOffset = readUint53(view, offset + 4);
  const acknowledgedOffset = readUint53(view, offset + 12);
  if (sentOffset < 0 || acknowledgedOffset < 0) return Reason.BAD_EXTENSION;
  out.sentOffset = sentOffset;
  out.acknowledgedOffset = acknowledgedOffset;
  out.tokenOffset = offset + fixedBytes;
  out.tokenBytes = tokenBytes;
  return Reason.OK;
}
