// Opening (RFC 9293 sections 3.5, 3.10.1 and 3.10.7.1 to 3.10.7.3, RFC 7323, RFC 2018). Above SAL the SYN and SYN-ACK
// ride on SAL's packets: `emitSyn` writes them wherever SAL wants them, SAL repeats them, and a CLOSED record takes
// the first SYN. In self mode the engine repeats them itself. Data never rides on a SYN.

import { Reason } from '../base/index.ts';
import { createSegment, emitSegment, type Segment, TcpFlag, tcpHeaderBytes } from '../wire/index.ts';
import { challenge, requestAck } from './ack.ts';
import { reset } from './closing.ts';
import { searchPathMtu } from './path-mtu.ts';
import { sampleRtt } from './rtt.ts';
import { applyMss, clearTimers, fail, fromWire, type Tcb, tsvalAt, wireSeq } from './tcb.ts';
import { type EngineOptions, Signal } from './types.ts';
import { advertiseUnscaled } from './window.ts';

const header: Segment = createSegment();
const maxMss = 65_535;
/** RFC 9293 section 3.7.1: of a peer that states none. */
const defaultMss = 536;
/**
 * A peer that states less makes each packet mostly header, so it is taken to mean this. Above SAL every packet may have 1,100
 * bytes anyhow. Plain TCP: no link in use carries less (SLIP's 296 bytes); Linux goes down to 48, FreeBSD to 216.
 */
const leastMss = { lower: 536, self: 256 } as const;

/** Self mode: active open; `egress` emits the SYN. */
export function connect(tcb: Tcb): void {
  tcb.begun = true;
  tcb.state = 'SYN-SENT';
  tcb.synDue = true;
}

/** Self mode: passive open; the next SYN is taken. */
export function listen(tcb: Tcb): void {
  tcb.state = 'LISTEN';
}

/**
 * Writes the SYN (from CLOSED or SYN-SENT) or the SYN-ACK (SYN-RECEIVED) at `offset` and answers its bytes, at most 40.
 * May be repeated. 0 in any other state.
 */
export function emitSyn(tcb: Tcb, nowUs: number, view: DataView, offset: number): number {
  if (tcb.state === 'CLOSED' && !tcb.begun) connect(tcb);
  if (tcb.state !== 'SYN-SENT' && tcb.state !== 'SYN-RECEIVED') return 0;
  const answer = tcb.state === 'SYN-RECEIVED';
  fillSyn(tcb, nowUs, answer);
  tcb.synCount++;
  tcb.synSentUs = nowUs;
  tcb.synDue = false;
  tcb.counters.segmentsOut++;
  return emitSegment(view, offset, header);
}

function fillSyn(tcb: Tcb, nowUs: number, answer: boolean): void {
  const { options } = tcb;
  header.sourcePort = options.localPort ?? 0;
  header.destinationPort = options.remotePort ?? 0;
  header.seq = tcb.iss >>> 0;
  header.ack = answer ? wireSeq(tcb.irs, 0) : 0;
  header.flags = answer ? TcpFlag.SYN | TcpFlag.ACK : TcpFlag.SYN;
  header.windowRaw = advertiseUnscaled(tcb);
  header.mss = ownMss(options);
  header.windowScale = answer && tcb.sndScale < 0 ? -1 : tcb.rcvScale;
  header.sackPermitted = !answer || tcb.sackPermitted;
  header.hasTimestamps = !answer || tcb.timestamps;
  header.tsval = tsvalAt(tcb, nowUs);
  header.tsecr = answer ? tcb.tsRecent : 0;
}

/** Above SAL any size can be received, and the path is what the search finds; on IP it is the interface's. */
function ownMss(options: EngineOptions): number {
  if (options.opening === 'lower') return maxMss;
  return Math.min(maxMss, Math.max(options.packetBytes, options.maxPacketBytes) - options.headerBytes - tcpHeaderBytes);
}

/** A segment in CLOSED (above SAL: the first SYN) or LISTEN. */
export function handlePassive(tcb: Tcb, nowUs: number, segment: Segment): Reason {
  const { flags } = segment;
  const self = tcb.options.opening === 'self';
  if (flags & TcpFlag.RST) return Reason.TCP_FLAG;
  if (flags & TcpFlag.ACK) {
    if (self) resetAt(tcb, segment.ack);
    return Reason.BAD_STATE;
  }
  if (tcb.state === 'CLOSED' && (self || tcb.begun)) return Reason.BAD_STATE;
  if ((flags & TcpFlag.SYN) === 0) return Reason.BAD_STATE;
  takeSyn(tcb, nowUs, segment);
  tcb.state = 'SYN-RECEIVED';
  tcb.begun = true;
  tcb.synDue = self;
  return Reason.OK;
}

/** A segment in SYN-SENT: the SYN-ACK, or a SYN that crossed ours. */
export function handleSynSent(tcb: Tcb, nowUs: number, segment: Segment): Reason {
  const { flags } = segment;
  const self = tcb.options.opening === 'self';
  const ackOk = (flags & TcpFlag.ACK) !== 0 && segment.ack === wireSeq(tcb.iss, 0);
  if (flags & TcpFlag.ACK && !ackOk) {
    if (self && (flags & TcpFlag.RST) === 0) resetAt(tcb, segment.ack);
    return Reason.STALE;
  }
  if (flags & TcpFlag.RST) {
    if (!self || !ackOk) return Reason.TCP_FLAG;
    fail(tcb, Signal.RESET);
    return Reason.OK;
  }
  if ((flags & TcpFlag.SYN) === 0) return Reason.BAD_STATE;
  takeSyn(tcb, nowUs, segment);
  if (ackOk) establish(tcb, nowUs, segment);
  else {
    tcb.state = 'SYN-RECEIVED';
    tcb.synDue = self;
  }
  if (ackOk) requestAck(tcb, nowUs);
  return Reason.OK;
}

/** Takes the peer's SYN: its sequence number and what it offers. What both offered is in force from here on. */
function takeSyn(tcb: Tcb, nowUs: number, segment: Segment): void {
  const { options } = tcb;
  tcb.irs = segment.seq;
  tcb.lastReceivedUs = nowUs;
  tcb.sackPermitted = segment.sackPermitted;
  tcb.timestamps = segment.hasTimestamps;
  tcb.tsRecent = segment.tsval;
  tcb.tsNewest = segment.tsval;
  tcb.tsRecentUs = nowUs;
  tcb.sndScale = segment.windowScale;
  tcb.peerMss = peerMssOf(segment.mss, options.opening);
  searchPathMtu(tcb, options.packetBytes);
  takeWindow(tcb, segment.windowRaw);
}

/** Above SAL a peer need not state any: the search finds what the path carries. */
function peerMssOf(stated: number, opening: EngineOptions['opening']): number {
  if (stated > 0) return Math.max(stated, leastMss[opening]);
  return opening === 'self' ? defaultMss : maxMss;
}

function takeWindow(tcb: Tcb, windowBytes: number): void {
  tcb.sndWnd = windowBytes;
  tcb.sndWl1 = 0;
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, windowBytes);
}

/** Our SYN is acknowledged. */
export function establish(tcb: Tcb, nowUs: number, segment: Segment): void {
  const scaled = tcb.sndScale >= 0;
  if (!scaled) tcb.rcvScale = 0;
  tcb.sndScale = Math.max(0, tcb.sndScale);
  if ((segment.flags & TcpFlag.SYN) === 0) takeWindow(tcb, segment.windowRaw << tcb.sndScale);
  clearTimers(tcb.timers);
  tcb.sndUna = 0;
  tcb.synDue = false;
  if (tcb.synCount === 1) sampleRtt(tcb.rtt, nowUs - tcb.synSentUs, nowUs);
  applyMss(tcb);
  tcb.state = tcb.finQueued ? 'FIN-WAIT-1' : 'ESTABLISHED';
  tcb.lastReceivedUs = nowUs;
  tcb.lastProgressUs = nowUs;
  tcb.tuneStartUs = nowUs;
  tcb.signals |= Signal.ESTABLISHED;
}

/** The layer below says that our SYN-ACK has arrived, though the peer sent no segment: it has given up, or what it sent is lost. */
export function acknowledgeOpening(tcb: Tcb, nowUs: number): void {
  if (tcb.state !== 'SYN-RECEIVED') return;
  // Its window is the one of its SYN.
  establish(tcb, nowUs, peerSyn);
}

const peerSyn: Segment = { ...createSegment(), flags: TcpFlag.SYN };

/** A segment in SYN-RECEIVED that passed the sequence check: whether it acknowledges our SYN. */
export function acknowledgesSyn(tcb: Tcb, nowUs: number, segment: Segment): boolean {
  const ack = fromWire(tcb.iss, segment.ack, 0);
  if (ack === 0) return true;
  if (tcb.options.opening === 'self') resetAt(tcb, segment.ack);
  else challenge(tcb, nowUs);
  return false;
}

/** RFC 9293 section 3.10.7: a segment that acknowledges what was never sent is answered with RST at that number. */
function resetAt(tcb: Tcb, ack: number): void {
  reset(tcb, ack);
  tcb.resetFlags = TcpFlag.RST;
}
