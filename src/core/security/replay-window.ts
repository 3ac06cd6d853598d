// Which numbers of a datagram flow have been received: the newest, and a bit for each of about 1,000 before it (as in RFC
// 6479). A number is noted only after its datagram proved authentic, so that a forged one cannot push the window on.

const words = 32;

export interface ReplayWindow {
  /** 0: none yet; numbers begin with 1. */
  newest: number;
  readonly bits: Uint32Array;
}

export function createReplayWindow(): ReplayWindow {
  return { newest: 0, bits: new Uint32Array(words) };
}

/** Whether `number` is new: neither received nor too old to tell. */
export function isFresh({ newest, bits }: ReplayWindow, number: number): boolean {
  if (number > newest) return true;
  if (number < 1 || Math.floor(newest / 32) - Math.floor(number / 32) >= words) return false;
  return ((bits[wordOf(number)]! >>> (number % 32)) & 1) === 0;
}

export function noteReceived(window: ReplayWindow, number: number): void {
  const { bits, newest } = window;
  if (number > newest) {
    const first = Math.floor(newest / 32) + 1;
    const last = Math.floor(number / 32);
    for (let word = Math.max(first, last - words + 1); word <= last; word++) bits[word % words] = 0;
    window.newest = number;
  }
  bits[wordOf(number)]! |= 1 << (number % 32);
}

function wordOf(number: number): number {
  return Math.floor(number / 32) % words;
}
