// What BBR knows of its path (draft-ietf-ccwg-bbr, version 3), as one plain record, and what follows from it: how fast and
// how much. Long-term bounds are what probing found; short-term ones what losses between probes have taken away, until the
// next probe. Bandwidths are bytes per microsecond. Names are the draft's, with units.

import type { Random } from '../base/index.ts';
import { type Congestion, initialWindowBytes, type KnownPath } from './congestion.ts';
import { createDeliveryRate, type DeliveryRate } from './delivery-rate.ts';
import { quantumOf } from './pacing.ts';

export type BbrPhase = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';

/** What the ACKs that come now tell of a probe for bandwidth. */
export type AckPhase = 'init' | 'refilling' | 'starting' | 'feedback' | 'stopping';

export interface Bbr extends Congestion {
  phase: BbrPhase;
  readonly rate: DeliveryRate;
  /** Draws the times of probes. */
  seed: number;
  pacingBytesPerUs: number;

  // Rounds: from the sending of a packet to its ACK.
  roundEndBytes: number;
  roundStart: boolean;
  rounds: number;

  // Bandwidth: the most of this cycle of probing and of the one before; what losses leave of it.
  cycleBw: number;
  lastCycleBw: number;
  bw: number;
  bwShortTerm: number;
  bwLatest: number;

  // Volume.
  inflightLongTermBytes: number;
  inflightShortTermBytes: number;
  inflightLatestBytes: number;
  minRttUs: number;
  minRttAtUs: number;

  // Aggregation: what ACKs bring at once, above what the bandwidth explains; the most of two windows of rounds.
  extraAckedBytes: number;
  lastExtraAckedBytes: number;
  extraRounds: number;
  aggregateBytes: number;
  aggregateFromUs: number;

  // Whether the pipe is full.
  fullBw: number;
  fullBwRounds: number;
  fullBwNow: boolean;
  fullBwReached: boolean;

  // Losses of this round; `lossRoundEndBytes` -1: to be set at the next ACK.
  lossInRound: boolean;
  lossRoundStart: boolean;
  lossRoundEndBytes: number;
  lostRangesInRound: number;
  /** Between `onLoss` or `onRto` and the end of it; and when it began, in rounds. */
  recovering: boolean;
  recoveryRound: number;

  // The cycle of probing.
  ackPhase: AckPhase;
  probeSample: boolean;
  probeUpRounds: number;
  probeUpAckedBytes: number;
  ackedPerIncreaseBytes: number;
  roundsSinceProbe: number;
  probeWaitUs: number;
  cycleStartUs: number;
  drainRound: number;
  probedTooHigh: boolean;
  precautionary: boolean;

  // The round trip of an empty path.
  probeRttMinUs: number;
  probeRttMinAtUs: number;
  probeRttExpired: boolean;
  /** 0: not yet drained. */
  probeRttDoneUs: number;
  probeRttRoundDone: boolean;
  idleRestart: boolean;

  /** The window before recovery or the probe of the round trip. */
  priorCwndBytes: number;
  readonly undo: Undo;
}

interface Undo {
  /** What losses made it leave. */
  phase: 'startup' | 'up' | undefined;
  bwShortTerm: number;
  inflightShortTermBytes: number;
  inflightLongTermBytes: number;
}

export const lossThreshold = 0.02;
export const beta = 0.7;
const headroom = 0.15;
const minPipeSegments = 4;
const pacingMargin = 0.99;
/** Of the quantum: one queued, one being cut, one being acknowledged. */
const quantaInFlight = 3;
const unknownRttUs = 1_000;
export const startupPacingGain = 2.77;
const pacingGains = {
  startup: startupPacingGain,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  'probe-rtt': 1,
};
const cwndGains = { startup: 2, drain: 2, down: 2, cruise: 2, refill: 2, up: 2.25, 'probe-rtt': 0.5 };

export function createBbr(mssBytes: number, random: Random, known?: KnownPath): Bbr {
  const model = known?.model;
  const measured = model !== undefined && model.bytesPerUs > 0;
  const bytesPerUs = measured ? model.bytesPerUs : 0;
  return {
    mssBytes,
    cwndBytes: Math.max(mssBytes, known?.cwndBytes ?? initialWindowBytes(mssBytes)),
    ssthreshBytes: Infinity,
    phase: measured ? 'cruise' : 'startup',
    rate: createDeliveryRate(),
    seed: random.uint32() | 1,
    pacingBytesPerUs: bytesPerUs * pacingMargin,
    roundEndBytes: 0,
    roundStart: false,
    rounds: 0,
    cycleBw: bytesPerUs,
    lastCycleBw: 0,
    bw: bytesPerUs,
    bwShortTerm: Infinity,
    bwLatest: 0,
    inflightLongTermBytes: model?.inflightBytes ?? Infinity,
    inflightShortTermBytes: Infinity,
    inflightLatestBytes: 0,
    minRttUs: model?.minRttUs || Infinity,
    minRttAtUs: -1,
    extraAckedBytes: 0,
    lastExtraAckedBytes: 0,
    extraRounds: 0,
    aggregateBytes: 0,
    aggregateFromUs: -1,
    fullBw: 0,
    fullBwRounds: 0,
    fullBwNow: false,
    fullBwReached: measured,
    lossInRound: false,
    lossRoundStart: false,
    lossRoundEndBytes: 0,
    lostRangesInRound: 0,
    recovering: false,
    recoveryRound: 0,
    ackPhase: 'init',
    probeSample: false,
    probeUpRounds: 0,
    probeUpAckedBytes: 0,
    ackedPerIncreaseBytes: Infinity,
    roundsSinceProbe: 0,
    probeWaitUs: 0,
    cycleStartUs: 0,
    drainRound: 0,
    probedTooHigh: false,
    precautionary: false,
    probeRttMinUs: Infinity,
    probeRttMinAtUs: -1,
    probeRttExpired: false,
    probeRttDoneUs: 0,
    probeRttRoundDone: false,
    idleRestart: false,
    priorCwndBytes: 0,
    undo: {
      phase: undefined,
      bwShortTerm: Infinity,
      inflightShortTermBytes: Infinity,
      inflightLongTermBytes: Infinity,
    },
  };
}

export function describeBbr(c: Bbr): KnownPath {
  const { minRttUs, inflightLongTermBytes: inflightBytes } = c;
  const cwndBytes = c.recovering || c.phase === 'probe-rtt' ? Math.max(c.cwndBytes, c.priorCwndBytes) : c.cwndBytes;
  const bytesPerUs = c.fullBwReached ? maxBw(c) : 0;
  const model = { bytesPerUs, minRttUs: minRttUs === Infinity ? 0 : minRttUs, inflightBytes };
  return { cwndBytes, ssthreshBytes: Infinity, peakBytes: 0, model };
}

export function maxBw({ cycleBw, lastCycleBw }: Bbr): number {
  return Math.max(cycleBw, lastCycleBw);
}

/** Until something was measured, the first window over the round trip. */
export function setPacing(c: Bbr, srttUs: number): void {
  const gain = pacingGains[c.phase];
  const known = c.bw > 0 ? c.bw * pacingMargin : initialWindowBytes(c.mssBytes) / (srttUs || unknownRttUs);
  const rate = gain * known;
  if (c.fullBwReached || rate > c.pacingBytesPerUs) c.pacingBytesPerUs = rate;
}

/** After an idle time: at the rate of the path, neither above nor below. */
export function paceEvenly(c: Bbr): void {
  if (c.bw > 0) c.pacingBytesPerUs = c.bw * pacingMargin;
}

export function setCwnd(c: Bbr): void {
  const { newlyDeliveredBytes } = c.rate.sample;
  const wantedBytes = maxInflightBytes(c);
  const grownBytes = c.cwndBytes + newlyDeliveredBytes;
  if (c.fullBwReached) c.cwndBytes = Math.min(grownBytes, wantedBytes);
  else if (c.cwndBytes < wantedBytes || c.rate.deliveredBytes < initialWindowBytes(c.mssBytes))
    c.cwndBytes = grownBytes;
  boundCwnd(c);
}

/** An integer, above what pipelining needs, and within what probing and losses allow. */
export function boundCwnd(c: Bbr): void {
  const leastBytes = minPipeBytes(c);
  let capBytes = c.inflightShortTermBytes;
  if (c.phase === 'probe-rtt') capBytes = Math.min(capBytes, probeRttCwndBytes(c));
  if (c.phase === 'probe-rtt' || c.phase === 'cruise') capBytes = Math.min(capBytes, inflightWithHeadroomBytes(c));
  else if (isProbing(c)) capBytes = Math.min(capBytes, c.inflightLongTermBytes);
  c.cwndBytes = Math.floor(Math.max(leastBytes, Math.min(c.cwndBytes, capBytes)));
}

export function saveCwnd(c: Bbr): void {
  const modulated = c.recovering || c.phase === 'probe-rtt';
  c.priorCwndBytes = modulated ? Math.max(c.priorCwndBytes, c.cwndBytes) : c.cwndBytes;
}

export function restoreCwnd(c: Bbr): void {
  c.cwndBytes = Math.max(c.cwndBytes, c.priorCwndBytes);
}

/** One of the phases of PROBE_BW. */
export function isProbing({ phase }: Bbr): boolean {
  return phase === 'down' || phase === 'cruise' || phase === 'refill' || phase === 'up';
}

export function bdpBytes(c: Bbr, gain: number, bw = c.bw): number {
  return c.minRttUs === Infinity ? initialWindowBytes(c.mssBytes) : gain * bw * c.minRttUs;
}

/** What in flight makes use of `gain` times the path, with what offloads need. */
export function inflightBytes(c: Bbr, gain: number, bw = c.bw): number {
  return withQuanta(c, bdpBytes(c, gain, bw));
}

/** Room for others in the buffer or on the link. */
export function inflightWithHeadroomBytes(c: Bbr): number {
  const { inflightLongTermBytes: longTermBytes } = c;
  if (longTermBytes === Infinity) return Infinity;
  return Math.max(longTermBytes - Math.max(c.mssBytes, headroom * longTermBytes), minPipeBytes(c));
}

export function targetInflightBytes(c: Bbr): number {
  return Math.min(bdpBytes(c, 1), c.cwndBytes);
}

export function probeRttCwndBytes(c: Bbr): number {
  return Math.max(bdpBytes(c, cwndGains['probe-rtt']), minPipeBytes(c));
}

/** 0 <= x < 1. */
export function draw(c: Bbr): number {
  c.seed ^= c.seed << 13;
  c.seed ^= c.seed >>> 17;
  c.seed ^= c.seed << 5;
  return (c.seed >>> 0) / 2 ** 32;
}

function minPipeBytes({ mssBytes }: Bbr): number {
  return minPipeSegments * mssBytes;
}

function maxInflightBytes(c: Bbr): number {
  const extraBytes = Math.max(c.extraAckedBytes, c.lastExtraAckedBytes);
  return withQuanta(c, bdpBytes(c, cwndGains[c.phase]) + extraBytes);
}

function withQuanta(c: Bbr, bytes: number): number {
  const quantaBytes = quantaInFlight * quantumOf(c.pacingBytesPerUs);
  return Math.max(bytes, quantaBytes, minPipeBytes(c)) + (c.phase === 'up' ? 2 * c.mssBytes : 0);
}
