// SIGNAL: room for messages to whatever stands on the path (docs/protocol.md, "SIGNAL"): the id of a signalling
// protocol, then bytes that are that protocol's alone. Never critical: nodes that know nothing of it pass it on.

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

export const maxSignalBytes = maxExtensionBytes - fixedBytes;

export interface Signal {
  protocol: number;
  /** Absolute. */
  bodyOffset: number;
  bodyBytes: number;
}

export function createSignal(): Signal {
  return { protocol: 0, bodyOffset: 0, bodyBytes: 0 };
}

export function signalBytes(bodyBytes: number): number {
  return padded(fixedBytes + bodyBytes);
}

/** Throws RangeError for a body of more than 1,014 bytes. */
export function emitSignal(view: DataView, offset: number, protocol: number, body: Uint8Array): number {
  requireCount(body.length, 0, maxSignalBytes, 'bytes of SIGNAL');
  const bytes = signalBytes(body.length);
  emitExtensionHeader(view, offset, Extension.SIGNAL, bytes);
  view.setUint16(offset + 2, protocol);
  view.setUint16(offset + 4, body.length);
  writeBytes(view, offset + fixedBytes, body, bytes - fixedBytes);
  return bytes;
}

export function parseSignal(view: DataView, offset: number, out: Signal): Reason {
  const bytes = extensionBytes(view, offset);
  if (bytes < 8) return Reason.BAD_EXTENSION;
  const bodyBytes = view.getUint16(offset + 4);
  if (signalBytes(bodyBytes) !== bytes) return Reason.BAD_EXTENSION;
  out.protocol = view.getUint16(offset + 2);
  out.bodyOffset = offset + fixedBytes;
  out.bodyBytes = bodyBytes;
  return Reason.OK;
}
