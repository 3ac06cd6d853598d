// BBR (draft-ietf-ccwg-bbr, version 3) as a congestion controller: not a window that losses cut, but a model of the path,
// its bandwidth, its length and how much may be in flight on it, kept by what each ACK says (delivery-rate.ts), by which
// it sends. Losses below 2% of a probe do not slow it down for longer than until the next probe. What the draft does on each ACK
// stands here in its order; bbr-model.ts is what is known, bbr-cycle.ts how it is found out.
// Differences to the draft: the ACK that shows a loss begins the round of that loss (the engine tells losses first); its
// filters keep two windows each; ECN is not used.

import {
  advancePhase,
  enterStartup,
  finishProbeRtt,
  handleInflightTooHigh,
  isInflightTooHigh,
  resetFullBw,
  startRefill,
  startRound,
} from './bbr-cycle.ts';
import {
  type Bbr,
  beta,
  boundCwnd,
  createBbr,
  describeBbr,
  isProbing,
  lossThreshold,
  maxBw,
  paceEvenly,
  restoreCwnd,
  saveCwnd,
  setCwnd,
  setPacing,
} from './bbr-model.ts';
import type { AckSample, CongestionControl, SendSample } from './congestion.ts';
import { forgetAll, forgetFlights, limitByApplication, noteFlight, noteLost, sampleRate } from './delivery-rate.ts';

/** Half of the rounds over which the most is remembered; in startup one. */
const extraAckedRounds = 5;
const catchUpShare = 0.25;

export const bbr: CongestionControl = {
  name: 'bbr',
  create: createBbr,
  describe: describeBbr,
  pace: (c: Bbr) => c.pacingBytesPerUs,
  catchUpUs,
  onSent,
  onAck,
  onLost,
  onLoss,
  onRecovered,
  onRto,
  onUndo,
  onIdle,
  setMss,
  shrink: ({ rate }: Bbr) => forgetAll(rate),
};

/** It sends at the rate of the path, and what it does not send it takes for what the path does not carry. */
function catchUpUs({ rate }: Bbr, srttUs: number): number {
  return rate.appLimitedBytes > 0 ? 0 : catchUpShare * srttUs;
}

function onSent(c: Bbr, sample: SendSample): void {
  noteFlight(c.rate, sample);
  if (sample.drained && sample.inFlightBytes < c.cwndBytes) limitByApplication(c.rate, sample.inFlightBytes);
}

function onAck(c: Bbr, sample: AckSample): void {
  const { rate } = c;
  const { nowUs, inFlightBytes, srttUs } = sample;
  const flightBytes = inFlightBytes + sample.deliveredBytes;
  if (sample.drained && flightBytes < c.cwndBytes) limitByApplication(rate, flightBytes);
  sampleRate(rate, nowUs, sample.sentAtUs, sample.deliveredBytes, sample.minRttUs);
  forgetFlights(rate, nowUs, srttUs);
  updateLatest(c);
  updateRound(c);
  updateMaxBw(c);
  if (c.lossRoundStart) adaptToLoss(c);
  updateAggregation(c, nowUs);
  advancePhase(c, sample);
  if (c.lossRoundStart) {
    c.bwLatest = rate.sample.rate;
    c.inflightLatestBytes = rate.sample.deliveredBytes;
  }
  c.bw = Math.min(maxBw(c), c.bwShortTerm);
  setPacing(c, srttUs);
  setCwnd(c);
}

/** What was delivered at best in this round of losses. */
function updateLatest(c: Bbr): void {
  const { sample, deliveredBytes } = c.rate;
  if (c.lossRoundEndBytes < 0) c.lossRoundEndBytes = deliveredBytes;
  c.bwLatest = Math.max(c.bwLatest, sample.rate);
  c.inflightLatestBytes = Math.max(c.inflightLatestBytes, sample.deliveredBytes);
  c.lossRoundStart = sample.known && sample.priorDeliveredBytes >= c.lossRoundEndBytes;
  if (c.lossRoundStart) c.lossRoundEndBytes = deliveredBytes;
}

function updateRound(c: Bbr): void {
  const { sample } = c.rate;
  c.roundStart = sample.known && sample.priorDeliveredBytes >= c.roundEndBytes;
  if (!c.roundStart) return;
  startRound(c);
  c.rounds++;
  c.roundsSinceProbe++;
}

function updateMaxBw(c: Bbr): void {
  const { rate, appLimited } = c.rate.sample;
  if (rate >= maxBw(c) || !appLimited) c.cycleBw = Math.max(c.cycleBw, rate);
}

/** Once per round with losses, between probes: toward what is delivered, and not by more than CUBIC would. */
function adaptToLoss(c: Bbr): void {
  const { phase, lossInRound } = c;
  c.lossInRound = false;
  if (!lossInRound || phase === 'startup' || phase === 'refill' || phase === 'up') return;
  const bw = c.bwShortTerm === Infinity ? maxBw(c) : c.bwShortTerm;
  const flightBytes = c.inflightShortTermBytes === Infinity ? c.cwndBytes : c.inflightShortTermBytes;
  c.bwShortTerm = Math.max(c.bwLatest, beta * bw);
  c.inflightShortTermBytes = Math.max(c.inflightLatestBytes, beta * flightBytes);
}

function updateAggregation(c: Bbr, nowUs: number): void {
  const { newlyDeliveredBytes } = c.rate.sample;
  if (c.aggregateFromUs < 0) c.aggregateFromUs = nowUs;
  let expectedBytes = c.bw * (nowUs - c.aggregateFromUs);
  if (c.aggregateBytes <= expectedBytes) {
    c.aggregateBytes = 0;
    c.aggregateFromUs = nowUs;
    expectedBytes = 0;
  }
  c.aggregateBytes += newlyDeliveredBytes;
  if (c.roundStart && ++c.extraRounds >= (c.fullBwReached ? extraAckedRounds : 1)) {
    c.extraRounds = 0;
    c.lastExtraAckedBytes = c.extraAckedBytes;
    c.extraAckedBytes = 0;
  }
  const extraBytes = Math.min(c.aggregateBytes - expectedBytes, c.cwndBytes);
  c.extraAckedBytes = Math.max(c.extraAckedBytes, extraBytes);
}

function onLost(c: Bbr, nowUs: number, sentAtUs: number, bytes: number): void {
  const known = noteLost(c.rate, sentAtUs, bytes);
  noteLoss(c);
  c.lostRangesInRound++;
  if (!known || !c.probeSample || !isInflightTooHigh(c)) return;
  const { flightBytes, lostBytes } = c.rate.sample;
  const beforeBytes = flightBytes - bytes;
  const prefixBytes = (lossThreshold * beforeBytes - (lostBytes - bytes)) / (1 - lossThreshold);
  handleInflightTooHigh(c, nowUs, beforeBytes + prefixBytes);
}

function noteLoss(c: Bbr): void {
  if (!c.lossInRound) {
    c.lossRoundEndBytes = -1;
    saveState(c);
  }
  c.lossInRound = true;
}

function saveState(c: Bbr): void {
  saveCwnd(c);
  c.undo.phase = undefined;
  c.undo.bwShortTerm = c.bwShortTerm;
  c.undo.inflightShortTermBytes = c.inflightShortTermBytes;
  c.undo.inflightLongTermBytes = c.inflightLongTermBytes;
}

function onLoss(c: Bbr, _nowUs: number, _inFlightBytes: number): void {
  noteLoss(c);
  c.recovering = true;
  c.recoveryRound = c.rounds;
}

function onRecovered(c: Bbr, _nowUs: number): void {
  c.recovering = false;
  restoreCwnd(c);
  boundCwnd(c);
}

function onRto(c: Bbr, _nowUs: number, inFlightBytes: number): void {
  saveState(c);
  c.rate.lostBytes += inFlightBytes;
  noteLoss(c);
  c.recovering = true;
  c.recoveryRound = c.rounds;
  c.cwndBytes = c.mssBytes;
}

function onUndo(c: Bbr): void {
  const { undo } = c;
  c.recovering = false;
  restoreCwnd(c);
  c.lossInRound = false;
  resetFullBw(c);
  c.bwShortTerm = Math.max(c.bwShortTerm, undo.bwShortTerm);
  c.inflightShortTermBytes = Math.max(c.inflightShortTermBytes, undo.inflightShortTermBytes);
  c.inflightLongTermBytes = Math.max(c.inflightLongTermBytes, undo.inflightLongTermBytes);
  if (undo.phase === 'startup' && c.phase !== 'startup') {
    c.fullBwReached = false;
    if (c.phase !== 'probe-rtt') enterStartup(c);
  } else if (undo.phase === 'up' && c.phase !== 'up' && c.phase !== 'probe-rtt') startRefill(c);
  undo.phase = undefined;
}

/** The window stays, and what leaves is paced: that is gentle enough. */
function onIdle(c: Bbr, nowUs: number, _idleUs: number, _rtoUs: number): void {
  if (c.rate.appLimitedBytes === 0) return;
  c.idleRestart = true;
  c.aggregateFromUs = nowUs;
  c.aggregateBytes = 0;
  if (isProbing(c)) paceEvenly(c);
  else if (c.phase === 'probe-rtt') finishProbeRtt(c, nowUs);
}

function setMss(c: Bbr, mssBytes: number): void {
  c.mssBytes = mssBytes;
  c.cwndBytes = Math.max(c.cwndBytes, mssBytes);
}
