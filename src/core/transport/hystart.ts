// HyStart++ (RFC 9406): leaves slow start when the round's least RTT grows, before the queue overflows. A growth first
// brings conservative slow start (a quarter of the pace); if the RTT falls back it was noise, otherwise five rounds
// later congestion avoidance begins. Used in the first slow start only.
// The RFC takes an RTT that stays grown for a queue. It may as well be a process that waits for its processor: then a larger
// window still brings more, and slow start goes on. A full queue brings no more, whatever the window (as BBR finds it).
// The RFC counts eight RTT samples a round. One ACK of a super-packet stands for many, so samples are weighed by the
// ACKs that the packets would have drawn (one for two segments); counting ACKs would blind it at small windows.

import type { AckSample } from './congestion.ts';

export interface HyStart {
  phase: 'slow-start' | 'conservative' | 'done';
  /** 0: none yet. */
  roundMinRttUs: number;
  lastRoundMinRttUs: number;
  roundSamples: number;
  /** The least RTT of the round that began the conservative phase. */
  baselineRttUs: number;
  conservativeRounds: number;
  roundStartUs: number;
  roundBytes: number;
  /** Bytes per microsecond of the best round before the conservative phase, and of the best one in it. */
  rateBefore: number;
  rateWithin: number;
}

export const conservativeDivisor = 4;
const conservativeRoundLimit = 5;
const samplesPerRound = 8;
const minThresholdUs = 4_000;
const maxThresholdUs = 16_000;
/** The window more than doubles in a conservative phase; so much more must come through for the delay to be no queue. */
const rateGrowth = 1.25;

export function createHyStart(): HyStart {
  return {
    phase: 'slow-start',
    roundMinRttUs: 0,
    lastRoundMinRttUs: 0,
    roundSamples: 0,
    baselineRttUs: 0,
    conservativeRounds: 0,
    roundStartUs: 0,
    roundBytes: 0,
    rateBefore: 0,
    rateWithin: 0,
  };
}

/** Takes one ACK of slow start; `phase` then says how to grow, `done` that slow start is over. */
export function updateHyStart(h: HyStart, sample: AckSample, mssBytes: number): void {
  if (h.phase === 'done') return;
  if (sample.roundStart && !startRound(h, sample.nowUs)) return;
  h.roundBytes += sample.deliveredBytes;
  if (sample.rttUs === 0) return;
  h.roundMinRttUs = h.roundMinRttUs === 0 ? sample.rttUs : Math.min(h.roundMinRttUs, sample.rttUs);
  h.roundSamples += Math.max(1, Math.floor(sample.deliveredBytes / (2 * mssBytes)));
  if (h.roundSamples < samplesPerRound) return;
  if (h.phase === 'slow-start') detectGrowth(h);
  else if (h.roundMinRttUs < h.baselineRttUs) h.phase = 'slow-start';
}

/** Answers whether slow start goes on. */
function startRound(h: HyStart, nowUs: number): boolean {
  measureRate(h, nowUs);
  h.lastRoundMinRttUs = h.roundMinRttUs;
  h.roundMinRttUs = 0;
  h.roundSamples = 0;
  if (h.phase === 'conservative' && ++h.conservativeRounds >= conservativeRoundLimit) judge(h);
  return h.phase !== 'done';
}

function measureRate(h: HyStart, nowUs: number): void {
  const rate = h.roundBytes / Math.max(1, nowUs - h.roundStartUs);
  // The round that saw the RTT grow is the first that could have filled the path.
  if (h.phase === 'conservative' && h.conservativeRounds > 0) h.rateWithin = Math.max(h.rateWithin, rate);
  else h.rateBefore = Math.max(h.rateBefore, rate);
  h.roundStartUs = nowUs;
  h.roundBytes = 0;
}

/** The RTT has stayed grown. */
function judge(h: HyStart): void {
  const carriedMore = h.rateWithin >= rateGrowth * h.rateBefore;
  h.phase = carriedMore ? 'slow-start' : 'done';
  h.rateBefore = Math.max(h.rateBefore, h.rateWithin);
}

function detectGrowth(h: HyStart): void {
  if (h.lastRoundMinRttUs === 0) return;
  const thresholdUs = Math.max(minThresholdUs, Math.min(maxThresholdUs, h.lastRoundMinRttUs / 8));
  if (h.roundMinRttUs < h.lastRoundMinRttUs + thresholdUs) return;
  h.phase = 'conservative';
  h.baselineRttUs = h.roundMinRttUs;
  h.conservativeRounds = 0;
  h.rateWithin = 0;
}
