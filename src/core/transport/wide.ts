// The fields of the engine's records that count the bytes of a stream, made wide before any is in use (base/wide.ts).

import { widen } from '../base/index.ts';
import { createBlockBuffer, createBlockPool } from './blocks.ts';
import { createCounters } from './counters.ts';
import { createDelivery, createScoreboard } from './scoreboard.ts';
import { createTcb, type Tcb } from './tcb.ts';
import type { TcbOptions } from './types.ts';

const options: TcbOptions = {
  opening: 'lower',
  iss: 0,
  packetBytes: 1_200,
  maxPacketBytes: 1_200,
  headerBytes: 16,
  sendBufferBytes: 0,
  receiveBufferBytes: 0,
  nagle: false,
};

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

/** Before the first connection of a process. */
export function widenTransport(): void {
  widen(createTcb(options, createBlockPool()), offsets);
  widen(createScoreboard(0), ['end', 'highest']);
  widen(createDelivery(), ['end']);
  widen(createBlockBuffer(), ['start', 'end']);
  widen(createCounters(), ['bytesSent', 'bytesAcked', 'bytesReceived']);
}
