// CUBIC (RFC 9438) with HyStart++ in the first slow start; recovery glides (congestion.ts). All windows are bytes;
// the curve is C (t - K)^3 + Wmax with C = 0.4 segments/s^3. A window that is not used does not grow, and the
// curve's clock stands still meanwhile; otherwise an application that pauses would own a window that nobody tested.
// Slow start adds what was delivered without a limit per ACK (RFC 9406 allows it to a sender that paces).

import type { Random } from '../base/index.ts';
import {
  type AckSample,
  type CongestionControl,
  type Gliding,
  glide,
  initialWindowBytes,
  type KnownPath,
  minimumWindowBytes,
} from './congestion.ts';
import { conservativeDivisor, createHyStart, type HyStart, updateHyStart } from './hystart.ts';

export interface Cubic extends Gliding {
  readonly hystart: HyStart;
  /** The window at the last loss, lowered by fast convergence; 0 before the first. */
  wMaxBytes: number;
  /** The window just before the last reduction. */
  priorCwndBytes: number;
  /** What Reno would have reached. */
  wEstBytes: number;
  /** Growth that does not make a byte yet. */
  carryBytes: number;
  /** When this stage of congestion avoidance began, less the time the window was unused; -1: not begun. */
  epochStartUs: number;
  kUs: number;
  lastAckUs: number;
  /** A timeout is being repaired: another one does not reduce ssthresh again. */
  afterRto: boolean;
  readonly undo: Undo;
}

interface Undo {
  valid: boolean;
  cwndBytes: number;
  ssthreshBytes: number;
  wMaxBytes: number;
  priorCwndBytes: number;
  wEstBytes: number;
  epochStartUs: number;
  kUs: number;
}

const beta = 0.7;
const segmentsPerCubicSecond = 0.4;
/** Reno's increase that is fair with a reduction by beta. */
const friendlyAlpha = (3 * (1 - beta)) / (1 + beta);
/** A window in growth must be able to double in a round trip; later a little above cwnd keeps it in use. */
const slowStartPace = 2;
const steadyPace = 1.25;

export const cubic: CongestionControl = {
  name: 'cubic',
  create: createCubic,
  describe,
  pace,
  onAck,
  onLoss,
  onRecovered,
  onRto,
  onUndo,
  onIdle,
  setMss,
};

function createCubic(mssBytes: number, _random: Random, known?: KnownPath): Cubic {
  return {
    mssBytes,
    cwndBytes: Math.max(mssBytes, known?.cwndBytes ?? initialWindowBytes(mssBytes)),
    ssthreshBytes: known?.ssthreshBytes ?? Infinity,
    recoveryFlightBytes: 0,
    recoveryDeliveredBytes: 0,
    hystart: createHyStart(),
    wMaxBytes: known?.peakBytes ?? 0,
    priorCwndBytes: 0,
    wEstBytes: 0,
    carryBytes: 0,
    epochStartUs: -1,
    kUs: 0,
    lastAckUs: 0,
    afterRto: false,
    undo: {
      valid: false,
      cwndBytes: 0,
      ssthreshBytes: 0,
      wMaxBytes: 0,
      priorCwndBytes: 0,
      wEstBytes: 0,
      epochStartUs: -1,
      kUs: 0,
    },
  };
}

function describe(c: Cubic): KnownPath {
  const { recoveryFlightBytes, cwndBytes, ssthreshBytes, wMaxBytes } = c;
  const settledBytes = recoveryFlightBytes > 0 ? ssthreshBytes : cwndBytes;
  return { cwndBytes: settledBytes, ssthreshBytes, peakBytes: wMaxBytes, model: undefined };
}

function pace({ cwndBytes, ssthreshBytes }: Cubic, srttUs: number): number {
  return ((cwndBytes < ssthreshBytes ? slowStartPace : steadyPace) * cwndBytes) / srttUs;
}

function onAck(c: Cubic, sample: AckSample): void {
  if (sample.recoveryStart) return;
  const sinceUs = sample.nowUs - c.lastAckUs;
  c.lastAckUs = sample.nowUs;
  if (sample.inRecovery && c.recoveryFlightBytes > 0) glide(c, sample.deliveredBytes, sample.inFlightBytes);
  else if (c.cwndBytes < c.ssthreshBytes) slowStart(c, sample);
  else if (sample.appLimited) c.epochStartUs += c.epochStartUs < 0 ? 0 : sinceUs;
  else avoidCongestion(c, sample);
}

function slowStart(c: Cubic, sample: AckSample): void {
  const first = c.ssthreshBytes === Infinity;
  if (first) updateHyStart(c.hystart, sample, c.mssBytes);
  if (first && c.hystart.phase === 'done') {
    c.ssthreshBytes = c.cwndBytes;
    return;
  }
  // An unused window may still double what was used: the sample describes data sent a round trip ago.
  if (sample.appLimited && c.cwndBytes >= 2 * (sample.inFlightBytes + sample.deliveredBytes)) return;
  const pace = first && c.hystart.phase === 'conservative' ? conservativeDivisor : 1;
  grow(c, Math.min(c.ssthreshBytes - c.cwndBytes, sample.deliveredBytes / pace));
}

function avoidCongestion(c: Cubic, sample: AckSample): void {
  if (c.epochStartUs < 0) startEpoch(c, sample.nowUs);
  const share = Math.min(1, sample.deliveredBytes / c.cwndBytes);
  const alpha = c.wEstBytes < c.priorCwndBytes ? friendlyAlpha : 1;
  c.wEstBytes += alpha * c.mssBytes * share;
  const elapsedUs = sample.nowUs - c.epochStartUs;
  if (curve(c, elapsedUs) < c.wEstBytes) {
    grow(c, c.wEstBytes - c.cwndBytes - c.carryBytes);
    return;
  }
  const target = Math.min(1.5 * c.cwndBytes, curve(c, elapsedUs + sample.srttUs));
  grow(c, (target - c.cwndBytes) * share);
}

function grow(c: Cubic, bytes: number): void {
  if (bytes <= 0) return;
  c.carryBytes += bytes;
  const whole = Math.floor(c.carryBytes);
  c.carryBytes -= whole;
  c.cwndBytes += whole;
}

function startEpoch(c: Cubic, nowUs: number): void {
  c.epochStartUs = nowUs;
  c.wEstBytes = c.cwndBytes;
  if (c.wMaxBytes <= c.cwndBytes) {
    c.wMaxBytes = c.cwndBytes;
    c.kUs = 0;
    return;
  }
  c.kUs = 1e6 * Math.cbrt((c.wMaxBytes - c.cwndBytes) / c.mssBytes / segmentsPerCubicSecond);
}

/** W_cubic in bytes, `elapsedUs` into this stage. */
function curve(c: Cubic, elapsedUs: number): number {
  const seconds = (elapsedUs - c.kUs) / 1e6;
  return c.wMaxBytes + segmentsPerCubicSecond * seconds * seconds * seconds * c.mssBytes;
}

function onLoss(c: Cubic, _nowUs: number, inFlightBytes: number): void {
  reduce(c);
  c.afterRto = false;
  c.recoveryFlightBytes = Math.max(inFlightBytes, c.mssBytes);
  c.recoveryDeliveredBytes = 0;
  glide(c, 0, inFlightBytes);
}

function onRecovered(c: Cubic, _nowUs: number): void {
  if (c.recoveryFlightBytes > 0) c.cwndBytes = c.ssthreshBytes;
  c.recoveryFlightBytes = 0;
  c.afterRto = false;
  c.undo.valid = false;
}

function onRto(c: Cubic, _nowUs: number, _inFlightBytes: number): void {
  if (!c.afterRto && c.recoveryFlightBytes === 0) reduce(c);
  c.afterRto = true;
  c.recoveryFlightBytes = 0;
  c.cwndBytes = c.mssBytes;
}

function onUndo(c: Cubic): void {
  c.recoveryFlightBytes = 0;
  c.afterRto = false;
  const { undo } = c;
  if (!undo.valid) return;
  undo.valid = false;
  c.cwndBytes = Math.max(c.cwndBytes, undo.cwndBytes);
  c.ssthreshBytes = undo.ssthreshBytes;
  c.wMaxBytes = undo.wMaxBytes;
  c.priorCwndBytes = undo.priorCwndBytes;
  c.wEstBytes = undo.wEstBytes;
  c.epochStartUs = undo.epochStartUs;
  c.kUs = undo.kUs;
}

/** One halving for each timeout's worth of silence, down to the initial window (RFC 2861); ssthresh remembers. */
function onIdle(c: Cubic, _nowUs: number, idleUs: number, rtoUs: number): void {
  const floor = Math.min(c.cwndBytes, initialWindowBytes(c.mssBytes));
  if (idleUs < rtoUs || c.cwndBytes === floor) return;
  if (c.ssthreshBytes !== Infinity) c.ssthreshBytes = Math.max(c.ssthreshBytes, Math.floor(0.75 * c.cwndBytes));
  c.cwndBytes = Math.max(floor, Math.floor(c.cwndBytes / 2 ** Math.floor(idleUs / rtoUs)));
  c.epochStartUs = -1;
}

function setMss(c: Cubic, mssBytes: number): void {
  c.mssBytes = mssBytes;
  c.cwndBytes = Math.max(c.cwndBytes, mssBytes);
  c.ssthreshBytes = Math.max(c.ssthreshBytes, minimumWindowBytes(mssBytes));
}

/** Multiplicative decrease with fast convergence (RFC 9438, 4.6 and 4.7); cwnd itself is the caller's. */
function reduce(c: Cubic): void {
  save(c);
  c.priorCwndBytes = c.cwndBytes;
  c.wMaxBytes = c.cwndBytes < c.wMaxBytes ? (c.cwndBytes * (1 + beta)) / 2 : c.cwndBytes;
  c.ssthreshBytes = Math.max(Math.floor(c.cwndBytes * beta), minimumWindowBytes(c.mssBytes));
  c.epochStartUs = -1;
}

function save(c: Cubic): void {
  const { undo } = c;
  undo.valid = true;
  undo.cwndBytes = c.cwndBytes;
  undo.ssthreshBytes = c.ssthreshBytes;
  undo.wMaxBytes = c.wMaxBytes;
  undo.priorCwndBytes = c.priorCwndBytes;
  undo.wEstBytes = c.wEstBytes;
  undo.epochStartUs = c.epochStartUs;
  undo.kUs = c.kUs;
}
