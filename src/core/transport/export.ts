// A connection's transport as a plain record, and back: for a stream that goes on in another process (docs/protocol.md,
// "Handoff"). What both ends agreed on, the bytes that either still needs, and what is known of the path are taken along;
// what only this engine's past explains is not. So all that is unacknowledged is one run in flight, to be repeated without
// blame; timers start anew. Times are relative and the timestamp clock goes on from where it stood: the clocks of two hosts
// have nothing in common. Invariant: what is imported satisfies what holds of every record, whatever the state says.

import type { Random } from '../base/index.ts';
import { type BlockBuffer, type BlockPool, copyBlocks, releaseBlocks, writeBlocks } from './blocks.ts';
import type { PathModel } from './congestion.ts';
import { controlOf } from './controllers.ts';
import { onProbeAcked } from './mtu-search.ts';
import { searchPathMtu } from './path-mtu.ts';
import { insertInterval, maxIntervals } from './reassembly.ts';
import { restoreRtt } from './rtt.ts';
import { appendSent, Run } from './scoreboard.ts';
import { applyMss, startTcb, type Tcb, tsvalAt } from './tcb.ts';
import type { EngineOptions } from './types.ts';
import { firstWithheldAt } from './withhold.ts';

/** Bytes of the stream from `start` on. */
export interface Stretch {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Names are those of the Tcb; offsets count from the first byte of each direction. */
export interface TransportState {
  readonly iss: number;
  readonly irs: number;
  readonly sackPermitted: boolean;
  readonly timestamps: boolean;
  readonly sndScale: number;
  readonly rcvScale: number;
  readonly peerMss: number;

  readonly sndUna: number;
  readonly sndNxt: number;
  readonly sndWnd: number;
  readonly sndWl1: number;
  readonly maxSndWnd: number;
  readonly sndSml: number;
  /** From `sndUna` on: what is unacknowledged, and behind it what was never sent. */
  readonly unacknowledged: Uint8Array;

  readonly rcvAcked: number;
  readonly rcvConsumed: number;
  readonly rcvAdv: number;
  readonly rcvBufBytes: number;
  readonly rcvMss: number;
  readonly rcvRttUs: number;
  /** In order, apart from each other; the one at `rcvAcked`, if there is one, is contiguous with what was accepted. */
  readonly received: readonly Stretch[];
  readonly tsRecent: number;
  readonly tsRecentAgeUs: number;
  readonly tsNewest: number;
  /** This end's timestamp clock. */
  readonly tsval: number;

  /** The largest packet that the path is known to carry. */
  readonly packetBytes: number;
  readonly srttUs: number;
  readonly rttVarUs: number;
  readonly minRttUs: number;
  readonly cwndBytes: number;
  readonly ssthreshBytes: number;
  readonly peakBytes: number;
  /** Of a connection with BBR, which it keeps. */
  readonly model: PathModel | undefined;
}

/** Whether the stream is open both ways, with no end of it in sight. */
export function isExportable(tcb: Tcb): boolean {
  return tcb.state === 'ESTABLISHED' && !tcb.finQueued && tcb.rcvFinAt < 0;
}

/** Of an exportable connection, best a frozen one. Copies: the Tcb stays as it is. */
export function exportTcb(tcb: Tcb, nowUs: number): TransportState {
  const { scoreboard, sndUna, sndEnd, rtt, mtu } = tcb;
  return {
    iss: tcb.iss,
    irs: tcb.irs,
    sackPermitted: tcb.sackPermitted,
    timestamps: tcb.timestamps,
    sndScale: tcb.sndScale,
    rcvScale: tcb.rcvScale,
    peerMss: tcb.peerMss,
    sndUna,
    sndNxt: scoreboard.end,
    sndWnd: tcb.sndWnd,
    sndWl1: tcb.sndWl1,
    maxSndWnd: tcb.maxSndWnd,
    sndSml: tcb.sndSml,
    unacknowledged: bytesOf(tcb.sendBuffer, sndUna, sndEnd),
    rcvAcked: tcb.rcvAcked,
    rcvConsumed: tcb.rcvConsumed,
    rcvAdv: tcb.rcvAdv,
    rcvBufBytes: tcb.rcvBufBytes,
    rcvMss: tcb.rcvMss,
    rcvRttUs: tcb.rcvRttUs,
    received: receivedOf(tcb),
    tsRecent: tcb.tsRecent,
    tsRecentAgeUs: Math.max(0, nowUs - tcb.tsRecentUs),
    tsNewest: tcb.tsNewest,
    tsval: tsvalAt(tcb, nowUs),
    packetBytes: mtu.currentBytes,
    srttUs: rtt.srttUs,
    rttVarUs: rtt.rttVarUs,
    minRttUs: rtt.minRttUs,
    ...controlOf(tcb.options).describe(tcb.congestion),
  };
}

/** Frozen: `resume` lets it go on. Undefined: no engine was ever in this state. */
export function importTcb(
  state: TransportState,
  options: EngineOptions,
  pool: BlockPool,
  random: Random,
  nowUs: number,
): Tcb | undefined {
  if (!isPossible(state)) return undefined;
  // One tick on: what leaves here is newer than all that left there.
  const tsOffset = (state.tsval + 1 - Math.floor(nowUs / 1000)) >>> 0;
  const congestion = state.model === undefined ? 'cubic' : 'bbr';
  const tcb = startTcb({ iss: state.iss, tsOffset }, { ...options, congestion }, pool, random);
  tcb.begun = true;
  tcb.state = 'ESTABLISHED';
  tcb.frozenAtUs = nowUs;
  for (const key of agreed) Object.assign(tcb, { [key]: state[key] });
  restoreSending(tcb, state, nowUs);
  restoreReceiving(tcb, state, nowUs);
  restorePath(tcb, state, nowUs);
  return tcb;
}

const agreed = ['irs', 'sackPermitted', 'timestamps', 'sndScale', 'rcvScale', 'peerMss'] as const;

function restoreSending(tcb: Tcb, state: TransportState, nowUs: number): void {
  const { pool, scoreboard, sendBuffer } = tcb;
  const { sndUna, sndNxt, unacknowledged } = state;
  tcb.sndUna = sndUna;
  tcb.sndWnd = state.sndWnd;
  tcb.sndWl1 = state.sndWl1;
  tcb.maxSndWnd = state.maxSndWnd;
  tcb.sndSml = state.sndSml;
  tcb.sndEnd = sndUna + unacknowledged.length;
  releaseBlocks(pool, sendBuffer, sndUna);
  writeBlocks(pool, sendBuffer, sndUna, unacknowledged, 0, unacknowledged.length);
  scoreboard.end = sndUna;
  scoreboard.highest = sndUna;
  if (sndNxt > sndUna) appendSent(scoreboard, pool.columns, sndNxt - sndUna, nowUs, Run.RETRANSMITTED | Run.BLAMELESS);
  tcb.recoveryEnd = sndNxt;
  tcb.roundEnd = sndNxt;
  tcb.lastEdge = sndUna;
  tcb.farEdge = sndUna;
  tcb.lastSentUs = nowUs;
  tcb.lastProgressUs = nowUs;
  tcb.withholdAt = sndNxt + firstWithheldAt(tcb.random);
}

function restoreReceiving(tcb: Tcb, state: TransportState, nowUs: number): void {
  const { pool, receiveBuffer, reassembly } = tcb;
  const { rcvAcked, rcvConsumed, received } = state;
  tcb.rcvAcked = rcvAcked;
  tcb.rcvNxt = rcvAcked;
  tcb.rcvConsumed = rcvConsumed;
  tcb.rcvAdv = state.rcvAdv;
  tcb.rcvBufBytes = Math.min(state.rcvBufBytes, tcb.options.receiveBufferBytes);
  tcb.rcvMss = state.rcvMss;
  tcb.rcvRttUs = state.rcvRttUs;
  releaseBlocks(pool, receiveBuffer, rcvAcked);
  for (const { start, bytes } of received) {
    writeBlocks(pool, receiveBuffer, start, bytes, 0, bytes.length);
    if (start === rcvAcked) tcb.rcvNxt = start + bytes.length;
    else insertInterval(reassembly, pool.columns, start, start + bytes.length);
  }
  tcb.lastAckSent = rcvAcked;
  tcb.lastRcvNxtAcked = tcb.rcvNxt;
  tcb.tsRecent = state.tsRecent;
  tcb.tsRecentUs = nowUs - state.tsRecentAgeUs;
  tcb.tsNewest = state.tsNewest;
  tcb.lastReceivedUs = nowUs;
  tcb.tuneStartUs = nowUs;
  tcb.tuneStart = rcvConsumed;
}

function restorePath(tcb: Tcb, state: TransportState, nowUs: number): void {
  searchPathMtu(tcb, tcb.options.packetBytes);
  onProbeAcked(tcb.mtu, Math.min(state.packetBytes, tcb.mtu.maxBytes), nowUs);
  applyMss(tcb);
  tcb.congestion = controlOf(tcb.options).create(tcb.mssBytes, tcb.random, state);
  tcb.rtt = restoreRtt(state.srttUs, state.rttVarUs, state.minRttUs, nowUs);
}

function receivedOf({ receiveBuffer, reassembly, rcvAcked, rcvNxt }: Tcb): Stretch[] {
  const stretches: Stretch[] = [];
  const add = (start: number, end: number): void => {
    if (end > start) stretches.push({ start, bytes: bytesOf(receiveBuffer, start, end) });
  };
  add(rcvAcked, rcvNxt);
  const { first, count, starts, values } = reassembly.intervals;
  for (let at = first; at < first + count; at++) add(starts[at]!, values[at]!);
  return stretches;
}

function bytesOf(buffer: BlockBuffer, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, end - start));
  copyBlocks(buffer, start, bytes, 0, bytes.length);
  return bytes;
}

const mostScale = 14;
const mostWindowBytes = 65_535 * 2 ** mostScale;
const mostPacketBytes = 65_535;

function isPossible(state: TransportState): boolean {
  const { sndScale, rcvScale, peerMss, rcvMss, packetBytes, tsRecentAgeUs, rcvRttUs } = state;
  const sizes = [peerMss, rcvMss, packetBytes].every((bytes) => isWithin(bytes, 1, mostPacketBytes));
  const scales = [sndScale, rcvScale].every((scale) => isWithin(scale, 0, mostScale));
  const times = [tsRecentAgeUs, rcvRttUs].every((us) => us >= 0 && Number.isFinite(us));
  return sizes && scales && times && mayHaveSent(state) && mayHaveReceived(state) && mayKnow(state);
}

function mayHaveSent({ sndUna, sndNxt, sndWnd, sndWl1, maxSndWnd, sndSml, unacknowledged }: TransportState): boolean {
  const sndEnd = sndUna + unacknowledged.length;
  if (!isWithin(sndUna, 0, sndNxt) || !isWithin(sndNxt, sndUna, sndEnd) || !Number.isSafeInteger(sndEnd)) return false;
  if (!isWithin(sndWnd, 0, maxSndWnd) || !isWithin(maxSndWnd, 0, mostWindowBytes)) return false;
  return isWithin(sndSml, 0, sndNxt) && isWithin(sndWl1, 0, Number.MAX_SAFE_INTEGER);
}

function mayHaveReceived({ rcvAcked, rcvConsumed, rcvAdv, rcvBufBytes, received }: TransportState): boolean {
  if (!isWithin(rcvConsumed, 0, rcvAcked) || !isWithin(rcvAcked, 0, rcvAdv) || !Number.isSafeInteger(rcvAdv))
    return false;
  if (rcvAdv - rcvAcked > mostWindowBytes || !(rcvBufBytes > 0 && rcvBufBytes <= mostWindowBytes)) return false;
  if (received.length > maxIntervals) return false;
  let end = rcvAcked - 1;
  for (const { start, bytes } of received) {
    if (!isWithin(start, end + 1, rcvAdv) || bytes.length === 0) return false;
    end = start + bytes.length;
  }
  return end <= rcvAdv;
}

function mayKnow(state: TransportState): boolean {
  const { srttUs, rttVarUs, minRttUs, cwndBytes, ssthreshBytes, peakBytes, model } = state;
  const measured = [srttUs, rttVarUs, minRttUs].every((us) => us > 0 && Number.isFinite(us));
  const unknown = srttUs === 0 && rttVarUs === 0 && minRttUs === 0;
  if ((!measured && !unknown) || (model !== undefined && !isPossibleModel(model))) return false;
  return isWithin(cwndBytes, 1, mostWindowBytes) && ssthreshBytes > 0 && peakBytes >= 0 && Number.isFinite(peakBytes);
}

function isPossibleModel({ bytesPerUs, minRttUs, inflightBytes }: PathModel): boolean {
  return [bytesPerUs, minRttUs].every((value) => value >= 0 && Number.isFinite(value)) && inflightBytes > 0;
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
