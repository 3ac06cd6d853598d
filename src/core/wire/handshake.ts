// HANDSHAKE: one message of the key exchange, opaque here (docs/protocol.md, "HANDSHAKE"). The exact length in bytes
// travels, since extensions come in words and a transcript hash must not depend on padding.

import { Reason } from '../base/index.ts';
import { writeBytes } from './bytes.ts';
import {
  Extension,
  emitExtensionHeader,
  extensionBytes,
  maxExtensionBytes,
  padded,
  requireCount,
} from './extension.ts';

const fixedBytes = 6;

export const maxHandshakeBytes = maxExtensionBytes - fixedBytes;

export interface Handshake {
  /** Which exchange: 0 is none (no key agreed, the null cipher); the security layer assigns the others. */
  pattern: number;
  /** 0 for the first message of the exchange. */
  message: number;
  /** Absolute. */
  bodyOffset: number;
  bodyBytes: number;
}

export function createHandshake(): Handshake {
  return { pattern: 0, message: 0, bodyOffset: 0, bodyBytes: 0 };
}

export function handshakeBytes(bodyBytes: number): number {
  return padded(fixedBytes + bodyBytes);
}

/** Throws RangeError for a body of more than 1,014 bytes. */
export function emitHandshake(
  view: DataView,
  offset: number,
  pattern: number,
  message: number,
  body: Uint8Array,
): number {
  requireCount(body.length, 0, maxHandshakeBytes, 'bytes of HANDSHAKE');
  const bytes = handshakeBytes(body.length);
  emitExtensionHeader(view, offset, Extension.HANDSHAKE, bytes);
  view.setUint8(offset + 2, pattern);
  view.setUint8(offset + 3, message);
  view.setUint16(offset + 4, body.length);
  writeBytes(view, offset + fixedBytes, body, bytes - fixedBytes);
  return bytes;
}

export function parseHandshake(view: DataView, offset: number, out: Handshake): Reason {
  const bytes = extensionBytes(view, offset);
  if (bytes < 8) return Reason.BAD_EXTENSION;
  const bodyBytes = view.getUint16(offset + 4);
  if (handshakeBytes(bodyBytes) !== bytes) return Reason.BAD_EXTENSION;
  out.pattern = view.getUint8(offset + 2);
  out.message = view.getUint8(offset + 3);
  out.bodyOffset = offset + fixedBytes;
  out.bodyBytes = bodyBytes;
  return Reason.OK;
}
