// HyStart++ (RFC 9406): leaves slow start when the round's least RTT grows, before the queue overflows. A growth first
// brings conservative slow start (a quarter of the pace); if the RTT falls back it was noise, otherwise five rounds
// later congestion avoidance begins. Used in the first slow start only.
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
}

export const conservativeDivisor = 4;
const conservativeRoundLimit = 5;
const samplesPerRound = 8;
const minThresholdUs = 4_000;
const maxThresholdUs = 16_000;

export function createHyStart(): HyStart {
  return {
    phase: 'slow-start',
    roundMinRttUs: 0,
    lastRoundMinRttUs: 0,
    roundSamples: 0,
    baselineRttUs: 0,
    conservativeRounds: 0,
  };
}

/** Takes one ACK of slow start; `phase` then says how to grow, `done` that slow start is over. */
export function updateHyStart(h: HyStart, sample: AckSample, mssBytes: number): void {
  if (h.phase === 'done') return;
  if (sample.roundStart && !startRound(h)) return;
  if (sample.rttUs === 0) return;
  h.roundMinRttUs = h.roundMinRttUs === 0 ? sample.rttUs : Math.min(h.roundMinRttUs, sample.rttUs);
  h.roundSamples += Math.max(1, Math.floor(sample.deliveredBytes / (2 * mssBytes)));
  if (h.roundSamples < samplesPerRound) return;
  if (h.phase === 'slow-start') detectGrowth(h);
  else if (h.roundMinRttUs < h.baselineRttUs) h.phase = 'slow-start';
}

/** Answers whether slow start goes on. */
function startRound(h: HyStart): boolean {
  h.lastRoundMinRttUs = h.roundMinRttUs;
  h.roundMinRttUs = 0;
  h.roundSamples = 0;
  if (h.phase === 'conservative' && ++h.conservativeRounds >= conservativeRoundLimit) h.phase = 'done';
  return h.phase !== 'done';
}

function detectGrowth(h: HyStart): void {
  if (h.lastRoundMinRttUs === 0) return;
  const thresholdUs = Math.max(minThresholdUs, Math.min(maxThresholdUs, h.lastRoundMinRttUs / 8));
  if (h.roundMinRttUs < h.lastRoundMinRttUs + thresholdUs) return;
  h.phase = 'conservative';
  h.baselineRttUs = h.roundMinRttUs;
  h.conservativeRounds = 0;
}
