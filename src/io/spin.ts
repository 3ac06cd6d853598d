// Spinning before sleeping: who expects an answer at once lets the loop turn a while instead of sleeping, since to be
// woken costs more than the answer takes (docs/decisions/0034-spin-where-it-pays.md). It learns from its own tries: one in
// vain doubles the wake-ups that pass between two tries, unless four that ended with a packet make up for it, and four more halve
// them. So it turns where four of five packets follow within `spinUs`, and takes no measurable time where they come at random,
// rarely or never, and where this process and the one that would answer share a processor. Rejected: a window that grows and shrinks with the time
// slept, as hypervisors have it: on a shared processor the answer comes as soon as one sleeps, and the window grows.

import { availableParallelism } from 'node:os';

export interface Spin {
  /** 0: never. */
  readonly spinUs: number;
  /** When the try under way ends; 0: none is. */
  endUs: number;
  /** Wake-ups between two tries, and of them those still to come. */
  pauseWakes: number;
  wakesLeft: number;
  /** Tries that ended with a packet and have made up for none in vain yet. */
  credit: number;
}

const defaultSpinUs = 75;
const mostSpinUs = 10_000;
const longestPauseWakes = 127;
/** So many tries that ended with a packet make up for one in vain. */
const missHits = 4;
const mostCredit = 8;

export function createSpin(spinUs: number): Spin {
  return { spinUs, endUs: 0, pauseWakes: 0, wakesLeft: 0, credit: 0 };
}

/** From CARACAL_SPIN_US. Whoever has one processor never spins: nobody could answer meanwhile. Throws ERR_INVALID_ARG_VALUE. */
export function chooseSpinUs(text = process.env['CARACAL_SPIN_US'] ?? '', processors = availableParallelism()): number {
  if (!/^\d*$/.test(text) || Number(text) > mostSpinUs) {
    const message = `CARACAL_SPIN_US is microseconds, 0 (never spin) to ${mostSpinUs}, not "${text}"`;
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
  }
  return processors < 2 ? 0 : Number(text || defaultSpinUs);
}

/**
 * After a turn of the loop, at `nowUs`: whether the loop is to turn on instead of sleeping. `woken`: something came, and has
 * been dealt with. Call it without that only while a try is under way (`endUs` > 0).
 */
export function turnOn(spin: Spin, woken: boolean, nowUs: number): boolean {
  if (!woken && nowUs < spin.endUs) return true;
  if (spin.endUs > 0) learn(spin, woken);
  spin.endUs = 0;
  if (!woken || spin.spinUs === 0 || --spin.wakesLeft >= 0) return false;
  spin.wakesLeft = spin.pauseWakes;
  spin.endUs = nowUs + spin.spinUs;
  return true;
}

function learn(spin: Spin, hit: boolean): void {
  if (hit) spin.credit = Math.min(spin.credit + 1, mostCredit);
  else if (spin.pauseWakes === 0 && spin.credit >= missHits) spin.credit -= missHits;
  else {
    spin.credit = 0;
    spin.pauseWakes = Math.min(longestPauseWakes, 2 * spin.pauseWakes + 1);
    spin.wakesLeft = spin.pauseWakes;
  }
  if (spin.pauseWakes === 0 || spin.credit < missHits) return;
  spin.credit = 0;
  spin.pauseWakes >>= 1;
}
