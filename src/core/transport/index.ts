export { challenge as requestChallenge, delayedAckUs, forgetAck, requestAck } from './ack.ts';
export { type BlockPool, blockBytes, createBlockPool, createPiece, type Piece, poolLoad } from './blocks.ts';
export { abort, finish } from './closing.ts';
export type { CongestionName, PathModel } from './congestion.ts';
export type { TcbCounters } from './counters.ts';
export { egress } from './egress.ts';
export {
  exportTcb,
  importTcb,
  isExportable,
  type Stretch,
  type TransportState,
} from './export.ts';
export { freeze, isFrozen, pathChanged, peerReturned, resume } from './freeze.ts';
export { isIdle, shrink } from './idle.ts';
export { endBatch, handleSegment, handleTwins } from './ingress.ts';
export type { PathFindings } from './mtu-search.ts';
export { acknowledgeOpening, connect, emitSyn, listen } from './opening.ts';
export { setOptions, type TcbChanges } from './options.ts';
export { deliveryUs, overdueAtUs } from './overdue.ts';
export { adoptPathMtu, setPathLimit, tooBig } from './path-mtu.ts';
export { awaitsPeer, lastHeardUs, movedBytes, noteHeard, requestProbe } from './probe.ts';
export {
  acceptBytes,
  consumeBytes,
  copyReadable,
  discardOutOfOrder,
  outOfOrderBytes,
  readableBytes,
  readablePiece,
  rejectBytes,
} from './receive.ts';
export { minRtoUs } from './rtt.ts';
export { awaitSpace, enqueue, extend, sendPiece, sendSpace, unsentBytes } from './send.ts';
export { stalledSinceUs } from './stall.ts';
export { createTcb, destroyTcb, finished, pipeBytes, startTcb, type Tcb } from './tcb.ts';
export { handleTimeout, nextDeadlineUs } from './timers.ts';
export {
  type EngineOptions,
  type KeepAlive,
  type Lower,
  type PacketBatch,
  Signal,
  type TcbOptions,
  type TcpState,
} from './types.ts';
export { widenTransport } from './wide.ts';
