// The phases of BBR (draft-ietf-ccwg-bbr, "State Machine Operation"): STARTUP doubles the rate until it brings no more, or
// losses; DRAIN empties the queue that this made; PROBE_BW goes round: DOWN leaves room, CRUISE keeps the rate, REFILL fills
// the pipe, UP sends faster than the path has delivered to see whether it can; PROBE_RTT now and then half empties the path,
// to see how long it is. Probes come as often as Reno's would at small windows, and every 2 to 3 s at large ones.

import {
  type Bbr,
  bdpBytes,
  beta,
  boundCwnd,
  draw,
  inflightBytes,
  inflightWithHeadroomBytes,
  isProbing,
  lossThreshold,
  maxBw,
  probeRttCwndBytes,
  restoreCwnd,
  saveCwnd,
  targetInflightBytes,
} from './bbr-model.ts';
import type { AckSample } from './congestion.ts';
import { limitByApplication } from './delivery-rate.ts';

const fullBwGrowth = 1.25;
const fullBwRoundLimit = 3;
const startupLostRanges = 6;
const drainRoundLimit = 3;
const leastProbeWaitUs = 2_000_000;
const probeWaitSpreadUs = 1_000_000;
const mostRenoRounds = 63;
const mostProbeUpRounds = 30;
const probeRttIntervalUs = 5_000_000;
const probeRttUs = 200_000;
const minRttWindowUs = 10_000_000;

/** After the model has taken the ACK. */
export function advancePhase(c: Bbr, sample: AckSample): void {
  checkFullBw(c);
  checkStartup(c, sample);
  const drained = sample.inFlightBytes <= inflightBytes(c, 1) || c.rounds > c.drainRound + drainRoundLimit;
  if (c.phase === 'drain' && drained) startDown(c, sample.nowUs);
  if (c.fullBwReached) advanceProbe(c, sample);
  updateMinRtt(c, sample);
  checkProbeRtt(c, sample);
}

export function startRound(c: Bbr): void {
  c.roundEndBytes = c.rate.deliveredBytes;
}

export function enterStartup(c: Bbr): void {
  c.phase = 'startup';
}

export function resetFullBw(c: Bbr, baseline = 0): void {
  c.fullBw = baseline;
  c.fullBwRounds = 0;
  c.fullBwNow = false;
}

export function startRefill(c: Bbr): void {
  resetShortTerm(c);
  c.probeUpRounds = 0;
  c.probeUpAckedBytes = 0;
  c.precautionary = false;
  c.ackPhase = 'refilling';
  startRound(c);
  c.phase = 'refill';
}

/** More was lost of what is in flight than probing may cost. */
export function isInflightTooHigh({ rate: { sample } }: Bbr): boolean {
  return sample.lostBytes > sample.flightBytes * lossThreshold;
}

/** Once per probe. `flightBytes`: at which volume the losses became too many. */
export function handleInflightTooHigh(c: Bbr, nowUs: number, flightBytes: number): void {
  c.probedTooHigh = true;
  c.probeSample = false;
  if (!c.rate.sample.appLimited) c.inflightLongTermBytes = Math.max(flightBytes, beta * targetInflightBytes(c));
  if (c.phase !== 'up') return;
  c.undo.phase = 'up';
  startDown(c, nowUs);
}

/** The way out of a probe of the round trip, once it has been long enough. */
export function finishProbeRtt(c: Bbr, nowUs: number): void {
  if (c.probeRttDoneUs === 0 || nowUs <= c.probeRttDoneUs) return;
  c.probeRttMinAtUs = nowUs;
  restoreCwnd(c);
  resetShortTerm(c);
  if (!c.fullBwReached) return enterStartup(c);
  startDown(c, nowUs);
  c.phase = 'cruise';
  boundCwnd(c);
}

function checkFullBw(c: Bbr): void {
  const { sample } = c.rate;
  if (c.fullBwNow || !c.roundStart || sample.appLimited) return;
  if (sample.rate >= fullBwGrowth * c.fullBw) return resetFullBw(c, sample.rate);
  c.fullBwNow = ++c.fullBwRounds >= fullBwRoundLimit;
  if (c.fullBwNow) c.fullBwReached = true;
}

function checkStartup(c: Bbr, { inRecovery }: AckSample): void {
  if (c.phase === 'startup' && inRecovery && c.lossRoundStart && c.rounds > c.recoveryRound) {
    if (c.lostRangesInRound >= startupLostRanges && isInflightTooHigh(c)) {
      c.undo.phase = 'startup';
      c.fullBwReached = true;
      c.inflightLongTermBytes = Math.max(bdpBytes(c, 1), c.inflightLatestBytes);
    }
  }
  if (c.lossRoundStart) c.lostRangesInRound = 0;
  if (c.phase !== 'startup' || !c.fullBwReached) return;
  c.phase = 'drain';
  c.drainRound = c.rounds;
}

function advanceProbe(c: Bbr, sample: AckSample): void {
  if (adaptLongTerm(c, sample)) return;
  if (c.phase === 'down' || c.phase === 'cruise') {
    if (isTimeToProbe(c, sample.nowUs)) startRefill(c);
    else if (c.phase === 'down' && isTimeToCruise(c, sample.inFlightBytes)) c.phase = 'cruise';
  } else if (c.phase === 'refill' && c.roundStart) {
    c.probeSample = true;
    startUp(c);
  } else if (c.phase === 'up' && isTimeToGoDown(c, sample)) {
    c.probedTooHigh = false;
    startDown(c, sample.nowUs);
  }
}

/** What the ACKs of a probe say of the bounds. Answers whether that decided the phase. */
function adaptLongTerm(c: Bbr, sample: AckSample): boolean {
  const { flightBytes, appLimited, known } = c.rate.sample;
  if (c.ackPhase === 'starting' && c.roundStart) c.ackPhase = 'feedback';
  if (c.ackPhase === 'stopping' && c.roundStart) {
    c.probeSample = false;
    c.ackPhase = 'init';
    if (isProbing(c) && !appLimited) advanceMaxBw(c);
    if (isProbing(c) && c.precautionary && !c.probedTooHigh) {
      startRefill(c);
      return true;
    }
  }
  if (!known || isInflightTooHigh(c) || c.inflightLongTermBytes === Infinity) return false;
  c.inflightLongTermBytes = Math.max(c.inflightLongTermBytes, flightBytes);
  if (c.phase === 'up') raiseLongTerm(c, sample);
  return false;
}

/** Slowly at first, twice as fast each round. */
function raiseLongTerm(c: Bbr, { appLimited }: AckSample): void {
  if (appLimited || c.cwndBytes < c.inflightLongTermBytes) return;
  c.probeUpAckedBytes += c.rate.sample.newlyDeliveredBytes;
  if (c.probeUpAckedBytes >= c.ackedPerIncreaseBytes) {
    const steps = Math.floor(c.probeUpAckedBytes / c.ackedPerIncreaseBytes);
    c.probeUpAckedBytes -= steps * c.ackedPerIncreaseBytes;
    c.inflightLongTermBytes += steps * c.mssBytes;
  }
  if (c.roundStart) steepen(c);
}

function steepen(c: Bbr): void {
  const stepsPerRound = 2 ** c.probeUpRounds;
  c.probeUpRounds = Math.min(c.probeUpRounds + 1, mostProbeUpRounds);
  c.ackedPerIncreaseBytes = Math.max(c.cwndBytes / stepsPerRound, c.mssBytes);
}

function advanceMaxBw(c: Bbr): void {
  if (c.cycleBw === 0) return;
  c.lastCycleBw = c.cycleBw;
  c.cycleBw = 0;
}

function startDown(c: Bbr, nowUs: number): void {
  c.lossInRound = false;
  c.bwLatest = 0;
  c.inflightLatestBytes = 0;
  c.ackedPerIncreaseBytes = Infinity;
  c.roundsSinceProbe = draw(c) < 0.5 ? 0 : 1;
  c.probeWaitUs = leastProbeWaitUs + draw(c) * probeWaitSpreadUs;
  c.cycleStartUs = nowUs;
  c.ackPhase = 'stopping';
  startRound(c);
  c.phase = 'down';
}

function startUp(c: Bbr): void {
  c.ackPhase = 'starting';
  startRound(c);
  resetFullBw(c, c.rate.sample.rate);
  c.phase = 'up';
  steepen(c);
}

function isTimeToProbe(c: Bbr, nowUs: number): boolean {
  const renoRounds = Math.min(mostRenoRounds, targetInflightBytes(c) / c.mssBytes);
  return nowUs > c.cycleStartUs + c.probeWaitUs || c.roundsSinceProbe >= renoRounds;
}

function isTimeToCruise(c: Bbr, inFlightBytes: number): boolean {
  return inFlightBytes <= inflightWithHeadroomBytes(c) && inFlightBytes <= inflightBytes(c, 1, maxBw(c));
}

function isTimeToGoDown(c: Bbr, { inFlightBytes, appLimited }: AckSample): boolean {
  if (c.probedTooHigh && inFlightBytes >= c.inflightLongTermBytes) {
    c.precautionary = true;
    return true;
  }
  if (appLimited || c.cwndBytes < c.inflightLongTermBytes) return c.fullBwNow;
  // Held back by the bound, not by the path.
  resetFullBw(c, c.rate.sample.rate);
  return false;
}

function resetShortTerm(c: Bbr): void {
  c.bwShortTerm = Infinity;
  c.inflightShortTermBytes = Infinity;
}

function updateMinRtt(c: Bbr, { nowUs, rttUs }: AckSample): void {
  c.probeRttExpired = c.probeRttMinAtUs >= 0 && nowUs > c.probeRttMinAtUs + probeRttIntervalUs;
  if (rttUs > 0 && (rttUs < c.probeRttMinUs || c.probeRttExpired)) {
    c.probeRttMinUs = rttUs;
    c.probeRttMinAtUs = nowUs;
  }
  const expired = c.minRttAtUs >= 0 && nowUs > c.minRttAtUs + minRttWindowUs;
  if (c.probeRttMinUs >= c.minRttUs && !expired) return;
  c.minRttUs = c.probeRttMinUs;
  c.minRttAtUs = c.probeRttMinAtUs;
}

function checkProbeRtt(c: Bbr, sample: AckSample): void {
  if (c.phase !== 'probe-rtt' && c.probeRttExpired && !c.idleRestart) {
    saveCwnd(c);
    c.phase = 'probe-rtt';
    c.probeRttDoneUs = 0;
    c.ackPhase = 'stopping';
    startRound(c);
  }
  if (c.phase === 'probe-rtt') holdProbeRtt(c, sample);
  if (c.rate.sample.deliveredBytes > 0) c.idleRestart = false;
}

function holdProbeRtt(c: Bbr, { nowUs, inFlightBytes }: AckSample): void {
  limitByApplication(c.rate, inFlightBytes);
  if (c.probeRttDoneUs === 0) {
    if (inFlightBytes > probeRttCwndBytes(c)) return;
    c.probeRttDoneUs = nowUs + probeRttUs;
    c.probeRttRoundDone = false;
    startRound(c);
    return;
  }
  if (c.roundStart) c.probeRttRoundDone = true;
  if (c.probeRttRoundDone) finishProbeRtt(c, nowUs);
}
