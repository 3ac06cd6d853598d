// CHALLENGE, 12 bytes: does the peer receive at this address? (docs/protocol.md, "CHALLENGE"). 64 random bits go there
// and come back. Not critical: a peer that skips it leaves the address unproven, which is the safe outcome.

import { Reason } from '../base/index.ts';
import { Direction } from './cookie.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const challengeBytes = 12;

export interface Challenge {
  /** `Direction`. */
  direction: number;
  tokenHi: number;
  tokenLo: number;
}

export function createChallenge(): Challenge {
  return { direction: 0, tokenHi: 0, tokenLo: 0 };
}

export function emitChallenge(view: DataView, offset: number, challenge: Readonly<Challenge>): number {
  emitExtensionHeader(view, offset, Extension.CHALLENGE, challengeBytes);
  view.setUint8(offset + 2, challenge.direction);
  view.setUint32(offset + 4, challenge.tokenHi);
  view.setUint32(offset + 8, challenge.tokenLo);
  return challengeBytes;
}

export function parseChallenge(view: DataView, offset: number, out: Challenge): Reason {
  if (extensionBytes(view, offset) !== challengeBytes) return Reason.BAD_EXTENSION;
  const direction = view.getUint8(offset + 2);
  if (direction !== Direction.REQUEST && direction !== Direction.RESPONSE) return Reason.BAD_EXTENSION;
  out.direction = direction;
  out.tokenHi = view.getUint32(offset + 4);
  out.tokenLo = view.getUint32(offset + 8);
  return Reason.OK;
}
