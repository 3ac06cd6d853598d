// COOKIE: proof that the sender of a SYN receives at the address it claims (docs/protocol.md, "COOKIE"). A listener short
// of memory answers a SYN with a REQUEST and forgets it; the client repeats its SYN with the same bytes in a RESPONSE.
// Not critical: a listener that asked for none may skip it, and a client that skips a REQUEST only fails to connect.

import { Reason } from '../base/index.ts';
import { writeBytes } from './bytes.ts';
import { Extension, emitExtensionHeader, extensionBytes, padded, requireCount } from './extension.ts';

export const maxCookieBytes = 64;

/** Of COOKIE and of CHALLENGE. */
export const Direction = { REQUEST: 1, RESPONSE: 2 } as const;

export interface Cookie {
  /** `Direction`. */
  direction: number;
  /** Absolute. */
  cookieOffset: number;
  /** 1..64. */
  cookieBytes: number;
}

export function createCookie(): Cookie {
  return { direction: 0, cookieOffset: 0, cookieBytes: 0 };
}

/** Of the extension that carries `bytes` bytes of cookie. */
export function cookieBytes(bytes: number): number {
  return 4 + padded(bytes);
}

/** Throws RangeError unless there are 1 to 64 bytes. */
export function emitCookie(view: DataView, offset: number, direction: number, cookie: Uint8Array): number {
  requireCount(cookie.length, 1, maxCookieBytes, 'bytes of COOKIE');
  const bytes = cookieBytes(cookie.length);
  emitExtensionHeader(view, offset, Extension.COOKIE, bytes);
  view.setUint8(offset + 2, direction);
  view.setUint8(offset + 3, cookie.length);
  writeBytes(view, offset + 4, cookie, bytes - 4);
  return bytes;
}

export function parseCookie(view: DataView, offset: number, out: Cookie): Reason {
  const direction = view.getUint8(offset + 2);
  const length = view.getUint8(offset + 3);
  if (length === 0 || length > maxCookieBytes) return Reason.BAD_EXTENSION;
  if (extensionBytes(view, offset) !== cookieBytes(length)) return Reason.BAD_EXTENSION;
  if (direction !== Direction.REQUEST && direction !== Direction.RESPONSE) return Reason.BAD_EXTENSION;
  out.direction = direction;
  out.cookieOffset = offset + 4;
  out.cookieBytes = length;
  return Reason.OK;
}
