// Reads traces: what each packet was, by the wire format's own parser. Scenarios filter and count packets by it.

import { Reason } from '../../src/core/base/index.ts';
import { createControlMessage, parseControl as parseMessage } from '../../src/core/control/index.ts';
import {
  type Control,
  ControlFlag,
  createControl,
  createPacket,
  type Packet as Parsed,
  parseControl,
  parsePacket,
} from '../../src/core/wire/index.ts';
import type { Link, Packet, TraceRecord } from '../../src/sim/index.ts';

/** `SYN`, `SYN|ACK`, `ACK`, `FIN`, `FIN|ACK`, `RST`, `FAIL`, `data`, or `named` for an unbound datagram. */
export type Kind = string;

const flagNames = ['SYN', 'RSYN', 'FIN', 'RST', 'FAIL', 'ACK'] as const;

export interface PacketInfo {
  readonly kind: Kind;
  readonly packet: Parsed;
  readonly control: Control;
}

export function readPacket(bytes: Uint8Array): PacketInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const packet = createPacket();
  const control = createControl();
  if (parsePacket(view, 0, bytes.length, packet) !== Reason.OK) return { kind: 'bad', packet, control };
  if (packet.controlOffset === 0) {
    return { kind: (packet.flowHi | packet.flowLo) === 0 ? 'named' : 'data', packet, control };
  }
  parseControl(view, packet.controlOffset, control);
  const names = flagNames.filter((name) => (control.flags & ControlFlag[name]) !== 0);
  return { kind: names.join('|'), packet, control };
}

export function kindOf(bytes: Uint8Array): Kind {
  return readPacket(bytes).kind;
}

/** Of an unbound datagram to the control plane: its message type; 0: it is none. */
export function messageTypeOf(bytes: Uint8Array): number {
  const { kind, packet } = readPacket(bytes);
  const message = createControlMessage();
  if (kind !== 'named' || parseMessage(bytes, packet.payloadOffset, packet.payloadBytes, message) !== Reason.OK)
    return 0;
  return message.type;
}

/** Drops the first `count` packets of `kind` on a link; answers how many it dropped so far. */
export function dropFirst(link: Link, kind: Kind, count: number): () => number {
  let dropped = 0;
  link.options.filter = (packet: Packet) => {
    if (dropped >= count || kindOf(packet.bytes) !== kind) return true;
    dropped++;
    return false;
  };
  return () => dropped;
}

/** Records of packets sent, of one kind, from and to the hosts named. */
export function sentOf(records: readonly TraceRecord[], kind: Kind, from?: string, to?: string): TraceRecord[] {
  return records.filter(
    (r) =>
      r.verdict === 'sent' &&
      (from === undefined || r.from === from) &&
      (to === undefined || r.to === to) &&
      kindOf(r.bytes) === kind,
  );
}
