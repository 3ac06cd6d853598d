// The transmission control block (RFC 9293 section 3.3.1): one plain record per connection, no closures, no timers.
// Sequence numbers count from the first data byte of a stream and never wrap: our SYN stands at -1, data begins at
// 0, a FIN takes the number after the last byte. So they are addresses in the buffers, exact up to 2^53;
// only `wireSeq` and `fromWire` know the initial sequence numbers and 32 bits.
// An idle connection holds no block and no columns: buffers, scoreboard and reassembly list borrow from the pool.

import type { Random } from '../base/index.ts';
import { tcpDataHeaderBytes, tcpHeaderBytes } from '../wire/index.ts';
import { type BlockBuffer, type BlockPool, createBlockBuffer, dropBlocks } from './blocks.ts';
import type { Congestion } from './congestion.ts';
import { controlOf } from './controllers.ts';
import { createCounters, type TcbCounters } from './counters.ts';
import { createMtuSearch, type MtuSearch } from './mtu-search.ts';
import { createPacer, type Pacer } from './pacing.ts';
import { createReassembly, dropReassembly, type Reassembly } from './reassembly.ts';
import { createRtt, type Rtt } from './rtt.ts';
import {
  createDelivery,
  createScoreboard,
  type Delivery,
  dropScoreboard,
  firstUndelivered,
  type Scoreboard,
} from './scoreboard.ts';
import type { EngineOptions, TcbOptions, TcpState } from './types.ts';
import { firstWithheldAt } from './withhold.ts';

export interface Tcb {
  options: EngineOptions;
  readonly pool: BlockPool;
  readonly random: Random;
  state: TcpState;
  /** `Signal` bits; the caller clears them. */
  signals: number;
  /** A SYN was sent or received: CLOSED means over, not yet begun. */
  begun: boolean;
  /** Since when no address is usable; -1: in use. */
  frozenAtUs: number;

  // What the SYNs agreed on.
  readonly iss: number;
  irs: number;
  sackPermitted: boolean;
  timestamps: boolean;
  /** Shifts of the windows that the peer sends, and that we send. */
  sndScale: number;
  rcvScale: number;
  /** The peer's MSS option: payload of a segment without options. */
  peerMss: number;
  /** For a segment with the options that data segments carry; the congestion controller counts in it. */
  mssBytes: number;
  synCount: number;
  synSentUs: number;
  /** `self` mode: a SYN or SYN-ACK is to be sent. */
  synDue: boolean;

  // Send sequence space. SND.NXT is `scoreboard.end`.
  sndUna: number;
  sndWnd: number;
  sndWl1: number;
  /** The largest window that the peer ever offered. */
  maxSndWnd: number;
  /** One past the last byte that the application queued; where our FIN stands. */
  sndEnd: number;
  finQueued: boolean;
  finAcked: boolean;
  /** One past the last segment sent that was smaller than the MSS (Minshall's variant of Nagle's rule). */
  sndSml: number;
  lastSentUs: number;
  readonly sendBuffer: BlockBuffer;
  readonly scoreboard: Scoreboard;
  readonly delivery: Delivery;
  /** What the peer seems to have withdrawn of its SACKs; counts while `timers.renegeUs` runs. */
  withdrawnStart: number;
  withdrawnEnd: number;
  /** The ACKs of this batch are still to be digested. */
  ackPending: boolean;
  /** sendSpace fell below the low-water mark: WRITABLE is owed. */
  spaceLow: boolean;
  /** Unsent data waits for the peer's window. */
  windowBlocked: boolean;
  /** The window is small and stays so: send what fits. */
  overrideSws: boolean;
  /** Data below it was sent while cwnd was the limit. */
  cwndLimitedEnd: number;

  // Receive sequence space. Without FIN; `finReceived` says whether the FIN after it counts as acknowledged.
  rcvNxt: number;
  /** The cumulative acknowledgement: accepted by the layer above. */
  rcvAcked: number;
  rcvConsumed: number;
  /** The right edge of the window as last advertised. */
  rcvAdv: number;
  /** Where the peer's FIN stands; -1: not seen. */
  rcvFinAt: number;
  finReceived: boolean;
  readonly receiveBuffer: BlockBuffer;
  readonly reassembly: Reassembly;
  /** When the contiguous bytes changed last, in the terms of `reassembly.changes`. */
  contiguousMark: number;
  /** A duplicate to report (RFC 2883); -1: none. */
  dsackStart: number;
  dsackEnd: number;
  /** Payload of the peer's full segments, as far as seen. */
  rcvMss: number;
  tsRecent: number;
  tsRecentUs: number;
  /** The newest timestamp seen at all, duplicates included: tells the lower layer which packet was sent last. */
  tsNewest: number;
  readonly tsOffset: number;

  // Our acknowledgements.
  ackNow: boolean;
  rcvSinceAck: number;
  /** The acknowledgement number last sent, and rcvNxt at that time. */
  lastAckSent: number;
  lastRcvNxtAcked: number;
  challengeWindowUs: number;
  challenges: number;

  // Receive window autotuning.
  rcvBufBytes: number;
  rcvRttUs: number;
  tuneStartUs: number;
  tuneStart: number;

  // Loss detection and recovery.
  readonly rack: Rack;
  rtt: Rtt;
  congestion: Congestion;
  pacer: Pacer;
  mtu: MtuSearch;
  /** What the outgoing link allows. */
  maxPacketBytes: number;
  /** Packet size of the path MTU probe that is out. */
  mtuProbeBytes: number;
  recovery: 'open' | 'fast' | 'timeout';
  recoveryEnd: number;
  /** The first undelivered byte when ACKs were digested last. */
  lastEdge: number;
  /** The farthest that it ever was, and how often what begins there has been repeated since. */
  farEdge: number;
  farRepeats: number;
  roundEnd: number;
  /** Consecutive retransmission timeouts. */
  timeouts: number;
  lastProgressUs: number;
  /** Since when data has waited and the peer has taken next to nothing; Infinity: none waits. And what it had taken then. */
  stalledSinceUs: number;
  stallMark: number;
  /** Eifel: timestamp of the first retransmission of this recovery (-1: none yet, -2: not to be undone), and where. */
  undoTsval: number;
  undoStart: number;
  /** Retransmitted in this recovery, less what was reported as duplicate. */
  undoBytes: number;
  /** Tail loss probe: SND.NXT when it was sent; -1: none out. */
  tlpEnd: number;
  tlpRetransmitted: boolean;
  tlpDue: boolean;
  /** From this offset on a segment is withheld, to see whether the peer acknowledges it (withhold.ts). */
  withholdAt: number;

  // Probes for an answer: zero window, withheld acknowledgement, keep-alive.
  probeDue: boolean;
  probeBackoff: number;
  unanswered: number;
  lastReceivedUs: number;

  // `self` mode: a reset to be sent.
  resetFlags: number;
  resetSeq: number;
  resetAck: number;

  readonly timers: Timers;
  readonly counters: TcbCounters;
}

/** Absolute times; Infinity: off. */
export interface Timers {
  rtoUs: number;
  tlpUs: number;
  reorderUs: number;
  probeUs: number;
  renegeUs: number;
  /** What is withheld leaves. */
  withheldUs: number;
  ackUs: number;
  keepAliveUs: number;
  stallUs: number;
  paceUs: number;
  /** SYN retransmission, and TIME-WAIT. */
  stateUs: number;
}

/** RFC 8985 section 6. */
export interface Rack {
  /** Of what was delivered, the segment sent last: when it was sent, where it ends, its round trip. */
  xmitUs: number;
  end: number;
  rttUs: number;
  reorderingSeen: boolean;
  reoWndMult: number;
  /** Recoveries until the multiplier falls back to 1. */
  reoWndPersist: number;
  /** D-SACKs count once until this is delivered. */
  dsackRoundEnd: number;
}

const initialReceiveBytes = 256 * 1024;
const noRandom: Random = { uint32: () => 0 };

/** CLOSED, ready for `emitSyn` or a SYN (lower mode), `connect` or `listen` (self mode). */
export function createTcb(options: TcbOptions, pool: BlockPool, random: Random = noRandom): Tcb {
  return startTcb(options, options, pool, random);
}

/** The same, with options that are shared. */
export function startTcb(
  start: Pick<TcbOptions, 'iss' | 'tsOffset'>,
  options: EngineOptions,
  pool: BlockPool,
  random: Random,
): Tcb {
  const { iss, tsOffset = random.uint32() } = start;
  const mssBytes = options.packetBytes - options.headerBytes - tcpDataHeaderBytes;
  return {
    options,
    pool,
    random,
    state: 'CLOSED',
    signals: 0,
    begun: false,
    frozenAtUs: -1,
    iss,
    irs: 0,
    sackPermitted: false,
    timestamps: false,
    sndScale: 0,
    rcvScale: scaleFor(options.receiveBufferBytes),
    peerMss: 65_535,
    mssBytes,
    synCount: 0,
    synSentUs: 0,
    synDue: false,
    sndUna: -1,
    sndWnd: 0,
    sndWl1: 0,
    maxSndWnd: 0,
    sndEnd: 0,
    finQueued: false,
    finAcked: false,
    sndSml: 0,
    lastSentUs: -1,
    sendBuffer: createBlockBuffer(),
    scoreboard: createScoreboard(0),
    delivery: createDelivery(),
    withdrawnStart: 0,
    withdrawnEnd: 0,
    ackPending: false,
    spaceLow: false,
    windowBlocked: false,
    overrideSws: false,
    cwndLimitedEnd: 0,
    rcvNxt: 0,
    rcvAcked: 0,
    rcvConsumed: 0,
    rcvAdv: 0,
    rcvFinAt: -1,
    finReceived: false,
    receiveBuffer: createBlockBuffer(),
    reassembly: createReassembly(),
    contiguousMark: 0,
    dsackStart: -1,
    dsackEnd: -1,
    rcvMss: 536,
    tsRecent: 0,
    tsRecentUs: -1,
    tsNewest: 0,
    tsOffset,
    ackNow: false,
    rcvSinceAck: 0,
    lastAckSent: 0,
    lastRcvNxtAcked: 0,
    challengeWindowUs: 0,
    challenges: 0,
    rcvBufBytes: Math.min(initialReceiveBytes, options.receiveBufferBytes),
    rcvRttUs: 0,
    tuneStartUs: 0,
    tuneStart: 0,
    rack: createRack(),
    rtt: createRtt(),
    congestion: controlOf(options).create(mssBytes, random),
    pacer: createPacer(),
    mtu: createMtuSearch(options.packetBytes, options.maxPacketBytes),
    maxPacketBytes: options.maxPacketBytes,
    mtuProbeBytes: 0,
    recovery: 'open',
    recoveryEnd: 0,
    lastEdge: 0,
    farEdge: 0,
    farRepeats: 0,
    roundEnd: 0,
    timeouts: 0,
    lastProgressUs: 0,
    stalledSinceUs: Infinity,
    stallMark: 0,
    undoTsval: -2,
    undoStart: 0,
    undoBytes: 0,
    tlpEnd: -1,
    tlpRetransmitted: false,
    tlpDue: false,
    withholdAt: firstWithheldAt(random),
    probeDue: false,
    probeBackoff: 0,
    unanswered: 0,
    lastReceivedUs: 0,
    resetFlags: 0,
    resetSeq: 0,
    resetAck: 0,
    timers: createTimers(),
    counters: createCounters(),
  };
}

/** CLOSED; the memory goes back to the pool. */
export function destroyTcb(tcb: Tcb): void {
  tcb.state = 'CLOSED';
  tcb.begun = true;
  dropBlocks(tcb.pool, tcb.sendBuffer);
  dropBlocks(tcb.pool, tcb.receiveBuffer);
  dropScoreboard(tcb.scoreboard, tcb.pool.columns);
  dropReassembly(tcb.reassembly, tcb.pool.columns);
  clearTimers(tcb.timers);
}

/** The connection failed: nothing more is sent, and `signal` says why. What was received stays readable. */
export function fail(tcb: Tcb, signal: number): void {
  tcb.state = 'CLOSED';
  tcb.synDue = false;
  tcb.signals |= signal;
  clearTimers(tcb.timers);
}

/** Payload of a full data segment behind `headerBytes` of lower header. */
export function dataBytes(tcb: Tcb, headerBytes: number): number {
  const segmentBytes = Math.min(tcb.mtu.currentBytes - headerBytes, tcb.peerMss + tcpHeaderBytes);
  return segmentBytes - dataHeaderBytes(tcb);
}

/** Bytes of the header of a data segment; before the SYNs agreed, what they will. */
export function dataHeaderBytes(tcb: Tcb): number {
  return tcb.timestamps || !tcb.begun ? tcpDataHeaderBytes : tcpHeaderBytes;
}

/** Call after a change of what a packet may measure. */
export function applyMss(tcb: Tcb): void {
  tcb.mssBytes = dataBytes(tcb, tcb.options.headerBytes);
  controlOf(tcb.options).setMss(tcb.congestion, tcb.mssBytes);
}

/** RFC 6675's pipe: sent, neither delivered nor lost, nor under way on a path that was left. */
export function pipeBytes(tcb: Tcb): number {
  const { scoreboard } = tcb;
  const { sackedBytes, lostBytes, elsewhereBytes } = scoreboard;
  return scoreboard.end - Math.max(0, tcb.sndUna) - sackedBytes - lostBytes - elsewhereBytes;
}

/** Sent and not delivered in any way, lost or not. */
export function undeliveredBytes(tcb: Tcb): number {
  const { scoreboard } = tcb;
  return scoreboard.end - Math.max(0, tcb.sndUna) - scoreboard.sackedBytes;
}

/** Nothing may be sent, whatever the path carries: there is nothing, new or lost, or the peer's window is closed to it. */
export function isDrained({ scoreboard, sndEnd, windowBlocked }: Tcb): boolean {
  return scoreboard.lostBytes === 0 && (windowBlocked || scoreboard.end >= sndEnd);
}

export function deliveredEdge(tcb: Tcb): number {
  return firstUndelivered(tcb.scoreboard);
}

/** What the ACK field says, as an offset. */
export function ackNumber(tcb: Tcb): number {
  return tcb.finReceived ? tcb.rcvAcked + 1 : tcb.rcvAcked;
}

export function isSynchronized(tcb: Tcb): boolean {
  const { state } = tcb;
  return state !== 'CLOSED' && state !== 'LISTEN' && state !== 'SYN-SENT' && state !== 'SYN-RECEIVED';
}

/** Both directions ended in order, and both ends know it of ours. */
export function finished(tcb: Tcb): boolean {
  return tcb.finAcked && tcb.finReceived;
}

/** An offset of the stream that began with `initial`, in 32 bits. */
export function wireSeq(initial: number, offset: number): number {
  return (initial + 1 + offset) >>> 0;
}

/** The offset nearest to `reference` that `seq` can mean. */
export function fromWire(initial: number, seq: number, reference: number): number {
  return reference + ((seq - initial - 1 - reference) | 0);
}

/** The timestamp clock: milliseconds from a random start (RFC 7323 section 5.4). */
export function tsvalAt(tcb: Tcb, nowUs: number): number {
  return (Math.floor(nowUs / 1000) + tcb.tsOffset) >>> 0;
}

/** The least shift that can express `bytes`. */
function scaleFor(bytes: number): number {
  let scale = 0;
  while (scale < 14 && 65_535 * 2 ** scale < bytes) scale++;
  return scale;
}

export function clearTimers(timers: Timers): void {
  timers.rtoUs = Infinity;
  timers.tlpUs = Infinity;
  timers.reorderUs = Infinity;
  timers.probeUs = Infinity;
  timers.renegeUs = Infinity;
  timers.withheldUs = Infinity;
  timers.ackUs = Infinity;
  timers.keepAliveUs = Infinity;
  timers.stallUs = Infinity;
  timers.paceUs = Infinity;
  timers.stateUs = Infinity;
}

function createTimers(): Timers {
  return {
    rtoUs: Infinity,
    tlpUs: Infinity,
    reorderUs: Infinity,
    probeUs: Infinity,
    renegeUs: Infinity,
    withheldUs: Infinity,
    ackUs: Infinity,
    keepAliveUs: Infinity,
    stallUs: Infinity,
    paceUs: Infinity,
    stateUs: Infinity,
  };
}

export function createRack(): Rack {
  return {
    xmitUs: -1,
    end: 0,
    rttUs: 0,
    reorderingSeen: false,
    reoWndMult: 1,
    reoWndPersist: 0,
    dsackRoundEnd: -1,
  };
}
