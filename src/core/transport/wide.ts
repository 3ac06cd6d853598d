// The fields of the engine's records that count the bytes of a stream, made wide before any is in use (base/wide.ts).

import { widen } from '../base/index.ts';
import type { Tcb } from './tcb.ts';

const offsets = [
  'sndUna',
  'sndEnd',
  'sndSml',
  'withdrawnStart',
  'withdrawnEnd',
  'cwndLimitedEnd',
  'rcvNxt',
  'rcvAcked',
  'rcvConsumed',
  'rcvAdv',
  'rcvFinAt',
  'dsackStart',
  'dsackEnd',
  'lastAckSent',
  'lastRcvNxtAcked',
  'tuneStart',
  'recoveryEnd',
  'lastEdge',
  'farEdge',
  'roundEnd',
  'stallMark',
  'undoStart',
  'tlpEnd',
  'withholdAt',
] as const satisfies (keyof Tcb)[];

/** `tcb` is of nobody, and thrown away. */
export function widenTransport(tcb: Tcb): void {
  widen(tcb, offsets);
  widen(tcb.scoreboard, ['end', 'highest']);
  widen(tcb.delivery, ['end']);
  widen(tcb.sendBuffer, ['start', 'end']);
  widen(tcb.counters, ['bytesSent', 'bytesAcked', 'bytesReceived']);
}
