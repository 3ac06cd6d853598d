// RESUME: a new connection goes on where a lost one stopped (docs/protocol.md, "Failover"): the token that stands for the
// old one, and how far the sender had got in each direction. It travels under the new connection's encryption, never in
// the SYN: as the body of a record. An instance that does not know it must refuse, or the application would read bytes
// twice: so the extension, which nobody sends, is critical.

import { Reason } from '../base/index.ts';
import { readBytes, readUint53, writeBytes, writeUint53 } from './bytes.ts';
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

/** What an end of the new connection says of the lost one. Streams are counted from their first byte. */
export interface ResumePoint {
  /** Bytes that it has sent, or will go on from. */
  readonly sentBytes: number;
  /** Bytes of the other stream that it has received, or will do with. */
  readonly receivedBytes: number;
  /** The first byte of its own stream that it can still send again. */
  readonly keptFrom: number;
  /** What the application knows the lost connection by; empty: nothing. */
  readonly token: Uint8Array;
}

const recordFixedBytes = 24;
export const mostResumeBytes = recordFixedBytes + maxResumeTokenBytes;

/** The body of a record. Throws RangeError for a token of more than 64 bytes. */
export function encodeResume({ sentBytes, receivedBytes, keptFrom, token }: ResumePoint): Uint8Array {
  requireCount(token.length, 0, maxResumeTokenBytes, 'bytes of token in RESUME');
  const body = new Uint8Array(recordFixedBytes + token.length);
  const view = new DataView(body.buffer);
  writeUint53(view, 0, sentBytes);
  writeUint53(view, 8, receivedBytes);
  writeUint53(view, 16, keptFrom);
  body.set(token, recordFixedBytes);
  return body;
}

/** Undefined: no such body. */
export function decodeResume(body: Uint8Array): ResumePoint | undefined {
  if (body.length < recordFixedBytes || body.length > mostResumeBytes) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const [sentBytes, receivedBytes, keptFrom] = [readUint53(view, 0), readUint53(view, 8), readUint53(view, 16)];
  if (sentBytes < 0 || receivedBytes < 0 || keptFrom < 0 || keptFrom > sentBytes) return undefined;
  return {
    sentBytes,
    receivedBytes,
    keptFrom,
    token: readBytes(view, recordFixedBytes, body.length - recordFixedBytes),
  };
}
