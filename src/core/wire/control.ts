// CONTROL, 24 bytes: the verbs of the service access layer (docs/protocol.md, "CONTROL"). Every packet that opens,
// moves, ends or refuses a flow carries one; data packets never do. Which flags may stand together is the state
// table's business, not the codec's: a combination nobody defined is BAD_STATE there.

import { Reason } from '../base/index.ts';
import { Extension, emitExtensionHeader, extensionBytes } from './extension.ts';

export const controlBytes = 24;

export const ControlFlag = { SYN: 1, RSYN: 2, ACK: 4, FIN: 8, RST: 16, FAIL: 32 } as const;

/**
 * `VIA`: answer along SOURCE as well, for the sake of NATs and stateful firewalls. `KEEP`, in an RSYN: the sender is still
 * reached where it was, so data goes there until the new place has answered. `PASSED_ON`, in an RSYN: what went to where the
 * sender was comes to where it is. `ELSEWHERE`, in an RSYN's answer: the receiver is heard from where it has not said that it
 * is.
 */
export const ControlOption = { VIA: 1, KEEP: 2, PASSED_ON: 4, ELSEWHERE: 8 } as const;

export interface Control {
  /** `ControlFlag` bits. */
  flags: number;
  /** Why, in FAIL and RST: a code below 64. 0 elsewhere. */
  reason: number;
  /** Of a SYN: 0 at first, one more for each retransmission. */
  attempt: number;
  /** `ControlOption` bits. */
  options: number;
  nonceHi: number;
  nonceLo: number;
  /** The sender's own flowID: where to answer. */
  flowHi: number;
  flowLo: number;
}

export function createControl(): Control {
  return { flags: 0, reason: 0, attempt: 0, options: 0, nonceHi: 0, nonceLo: 0, flowHi: 0, flowLo: 0 };
}

export function emitControl(view: DataView, offset: number, control: Readonly<Control>): number {
  emitExtensionHeader(view, offset, Extension.CONTROL, controlBytes);
  view.setUint8(offset + 2, control.flags);
  view.setUint8(offset + 3, control.reason);
  view.setUint8(offset + 4, control.attempt);
  view.setUint8(offset + 5, control.options);
  view.setUint16(offset + 6, 0);
  view.setUint32(offset + 8, control.nonceHi);
  view.setUint32(offset + 12, control.nonceLo);
  view.setUint32(offset + 16, control.flowHi);
  view.setUint32(offset + 20, control.flowLo);
  return controlBytes;
}

export function parseControl(view: DataView, offset: number, out: Control): Reason {
  if (extensionBytes(view, offset) !== controlBytes) return Reason.BAD_EXTENSION;
  out.flags = view.getUint8(offset + 2);
  out.reason = view.getUint8(offset + 3);
  out.attempt = view.getUint8(offset + 4);
  out.options = view.getUint8(offset + 5);
  out.nonceHi = view.getUint32(offset + 8);
  out.nonceLo = view.getUint32(offset + 12);
  out.flowHi = view.getUint32(offset + 16);
  out.flowLo = view.getUint32(offset + 20);
  return Reason.OK;
}
