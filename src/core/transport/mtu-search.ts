// Path MTU search by probes of the sender's own data: DPLPMTUD (RFC 8899), for whole packets (lower header + segment).
// The first probe goes straight to the maximum, as most paths carry what their first link carries; after that, binary
// search between what was acknowledged and what was refuted, until they differ by less than 16 bytes. Three losses
// refute a size. Invariant: one probe at a time, and `currentBytes` was acknowledged, or is the base, or was told by
// the link. A plain loss of a probe says nothing of congestion; the engine keeps it out of recovery.

export interface MtuSearch {
  /** What packets may measure now. */
  currentBytes: number;
  readonly baseBytes: number;
  maxBytes: number;
  /** The least size known not to pass; `maxBytes + 1` when none is. */
  refutedBytes: number;
  /** The size to try next, or being tried. */
  candidateBytes: number;
  inFlight: boolean;
  losses: number;
  searching: boolean;
  /** When a finished search starts anew; Infinity: never. */
  deadlineUs: number;
}

const probeLimit = 3;
const resolutionBytes = 16;
const raiseUs = 600_000_000;
/** The least that the link may dictate: what any IPv4 host accepts. */
const floorBytes = 576;

export function createMtuSearch(baseBytes: number, maxBytes: number): MtuSearch {
  const s: MtuSearch = {
    currentBytes: Math.min(baseBytes, maxBytes),
    baseBytes,
    maxBytes,
    refutedBytes: 0,
    candidateBytes: 0,
    inFlight: false,
    losses: 0,
    searching: false,
    deadlineUs: Infinity,
  };
  startSearch(s, 0);
  return s;
}

/** The size of a probe to send now, or 0. A size counts as sent: call it when the probe can leave. */
export function nextProbe(s: MtuSearch, nowUs: number): number {
  if (!s.searching && nowUs >= s.deadlineUs) startSearch(s, nowUs);
  if (!s.searching || s.inFlight) return 0;
  s.inFlight = true;
  return s.candidateBytes;
}

/** The probe that `nextProbe` announced did not leave after all. */
export function onProbeUnsent(s: MtuSearch): void {
  s.inFlight = false;
}

export function onProbeAcked(s: MtuSearch, size: number, nowUs: number): void {
  if (size === s.candidateBytes) s.inFlight = false;
  if (size <= s.currentBytes || size >= s.refutedBytes) return;
  s.currentBytes = size;
  narrow(s, nowUs);
}

export function onProbeLost(s: MtuSearch, size: number, nowUs: number): void {
  if (!s.searching || size !== s.candidateBytes) return;
  s.inFlight = false;
  if (++s.losses < probeLimit) return;
  s.refutedBytes = size;
  narrow(s, nowUs);
}

/** What one flow has found of a way, for another that goes the same. */
export interface PathFindings {
  readonly currentBytes: number;
  readonly refutedBytes: number;
  /** Losses of the size being tried. */
  readonly losses: number;
}

export function adoptFindings(s: MtuSearch, found: PathFindings, nowUs: number): void {
  if (found.currentBytes > s.maxBytes) return;
  s.currentBytes = Math.max(s.currentBytes, found.currentBytes);
  s.refutedBytes = Math.max(s.currentBytes + 1, Math.min(s.refutedBytes, found.refutedBytes));
  if (s.candidateBytes <= s.currentBytes || s.candidateBytes >= s.refutedBytes) narrow(s, nowUs);
  s.losses = Math.max(s.losses, Math.min(found.losses, probeLimit - 1));
}

/** Nothing speaks against the largest size yet: data too short for a probe may be filled up to it. */
export function isUntried(s: MtuSearch): boolean {
  return s.searching && s.losses === 0 && s.refutedBytes > s.maxBytes;
}

/** Full-sized packets vanish while small ones pass: back to the base, and search again. */
export function onBlackHole(s: MtuSearch, nowUs: number): void {
  s.currentBytes = s.currentBytes > s.baseBytes ? s.baseBytes : Math.min(s.currentBytes, floorBytes);
  startSearch(s, nowUs);
}

/** The link says that no packet above `packetBytes` passes; it is believed downwards only, never as a proof. */
export function onTooBig(s: MtuSearch, packetBytes: number, nowUs: number): void {
  const limitBytes = Math.max(floorBytes, packetBytes);
  if (limitBytes >= s.refutedBytes - 1) return;
  s.refutedBytes = limitBytes + 1;
  s.inFlight = false;
  s.losses = 0;
  if (s.currentBytes >= limitBytes) {
    s.currentBytes = limitBytes;
    finish(s, nowUs);
  } else {
    s.searching = true;
    s.candidateBytes = limitBytes;
  }
}

function startSearch(s: MtuSearch, nowUs: number): void {
  s.refutedBytes = s.maxBytes + 1;
  s.candidateBytes = s.maxBytes;
  s.inFlight = false;
  s.losses = 0;
  s.searching = s.currentBytes < s.maxBytes;
  if (!s.searching) finish(s, nowUs);
}

function narrow(s: MtuSearch, nowUs: number): void {
  s.losses = 0;
  s.inFlight = false;
  if (s.refutedBytes - s.currentBytes < resolutionBytes) finish(s, nowUs);
  else s.candidateBytes = (s.currentBytes + s.refutedBytes) >>> 1;
}

function finish(s: MtuSearch, nowUs: number): void {
  s.searching = false;
  s.deadlineUs = s.currentBytes < s.maxBytes ? nowUs + raiseUs : Infinity;
}
