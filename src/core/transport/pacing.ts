// Pacing: spreads a window over its round trip, in batches. Each batch of at most a quantum (about 1 ms of the rate)
// moves the time of the next; that time may lag behind the clock by 1 ms or more, which repays late timers. A token bucket would
// hand out crumbs on every ACK, and a batch costs the same however short it is.
// Below 1 ms of round trip pacing is off: timers are coarser than that and the ACKs clock well enough.

export interface Pacer {
  /** 0: not paced. */
  bytesPerUs: number;
  quantumBytes: number;
  /** When the next batch may leave. */
  dueUs: number;
}

const minSrttUs = 1_000;
const quantumUs = 1_000;
export const leastCatchUpUs = 1_000;
/** Two packets of an Ethernet path. */
const minQuantumBytes = 3_000;
const maxQuantumBytes = 65_536;

export function createPacer(): Pacer {
  return { bytesPerUs: 0, quantumBytes: maxQuantumBytes, dueUs: 0 };
}

/** A rate of 0, and an `srttUs` of 0, mean unknown. */
export function setRate(p: Pacer, bytesPerUs: number, srttUs: number): void {
  p.bytesPerUs = srttUs < minSrttUs ? 0 : bytesPerUs;
  if (p.bytesPerUs > 0) p.quantumBytes = quantumOf(p.bytesPerUs);
}

/** What leaves together at this rate. */
export function quantumOf(bytesPerUs: number): number {
  return Math.max(minQuantumBytes, Math.min(maxQuantumBytes, Math.floor(bytesPerUs * quantumUs)));
}

/** Bytes that may leave now: 0, a quantum, or Infinity when not paced. */
export function pacingBudget(p: Pacer, nowUs: number): number {
  if (p.bytesPerUs === 0) return Infinity;
  return nowUs >= p.dueUs ? p.quantumBytes : 0;
}

export function onPaced(p: Pacer, nowUs: number, bytes: number, catchUpUs = leastCatchUpUs): void {
  if (p.bytesPerUs === 0) return;
  p.dueUs = Math.max(p.dueUs, nowUs - catchUpUs) + bytes / p.bytesPerUs;
}

/** When `pacingBudget` opens; `nowUs` if it is open. */
export function nextSendUs(p: Pacer, nowUs: number): number {
  return p.bytesPerUs === 0 ? nowUs : Math.max(nowUs, Math.ceil(p.dueUs));
}
