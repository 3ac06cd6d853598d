// Round-trip time and retransmission timeout: RFC 6298, with a windowed minimum for HyStart++ and RACK.
// The floor of 200 ms sits on the variance term (RTO = SRTT + max(200 ms, 4 RTTVAR)): a floor on the sum would let a
// steady 300 ms path time out on one delayed ACK. The minimum is a three-sample filter over 10 s (best, second best
// and third best of ever younger parts of the window); a plain running minimum would never notice a longer route.

export interface Rtt {
  /** 0 until the first sample, as `rttVarUs` and `minRttUs`. */
  srttUs: number;
  rttVarUs: number;
  /** The least sample of the last 10 s. */
  minRttUs: number;
  /** With the back-off applied. */
  rtoUs: number;
  /** How many times the timeout was doubled since the last sample. */
  backoff: number;
  minAtUs: number;
  secondUs: number;
  secondAtUs: number;
  thirdUs: number;
  thirdAtUs: number;
}

export const initialRtoUs = 1_000_000;
export const minRtoUs = 200_000;
export const maxRtoUs = 60_000_000;
const minWindowUs = 10_000_000;

export function createRtt(): Rtt {
  return {
    srttUs: 0,
    rttVarUs: 0,
    minRttUs: 0,
    rtoUs: initialRtoUs,
    backoff: 0,
    minAtUs: 0,
    secondUs: 0,
    secondAtUs: 0,
    thirdUs: 0,
    thirdAtUs: 0,
  };
}

/** As another engine knew the path; zeros: it had no sample. */
export function restoreRtt(srttUs: number, rttVarUs: number, minRttUs: number, nowUs: number): Rtt {
  const rtt = createRtt();
  if (srttUs === 0) return rtt;
  rtt.srttUs = srttUs;
  rtt.rttVarUs = rttVarUs;
  restartMinimum(rtt, minRttUs, nowUs);
  resetBackOff(rtt);
  return rtt;
}

/** Takes one unambiguous sample (Karn's rule is the caller's); it also ends the back-off. */
export function sampleRtt(rtt: Rtt, rttUs: number, nowUs: number): void {
  const sampleUs = Math.max(1, rttUs);
  if (rtt.srttUs === 0) {
    rtt.srttUs = sampleUs;
    rtt.rttVarUs = sampleUs / 2;
    restartMinimum(rtt, sampleUs, nowUs);
  } else {
    rtt.rttVarUs += (Math.abs(rtt.srttUs - sampleUs) - rtt.rttVarUs) / 4;
    rtt.srttUs += (sampleUs - rtt.srttUs) / 8;
    filterMinimum(rtt, sampleUs, nowUs);
  }
  resetBackOff(rtt);
}

/** The retransmission timer expired: doubles the timeout (RFC 6298, 5.5). */
export function backOff(rtt: Rtt): void {
  rtt.backoff++;
  rtt.rtoUs = Math.min(maxRtoUs, rtt.rtoUs * 2);
}

/** New data was acknowledged although without a sample, or the timeout proved spurious. */
export function resetBackOff(rtt: Rtt): void {
  rtt.backoff = 0;
  rtt.rtoUs = rtt.srttUs === 0 ? initialRtoUs : Math.min(maxRtoUs, rtt.srttUs + Math.max(minRtoUs, 4 * rtt.rttVarUs));
}

function filterMinimum(rtt: Rtt, sampleUs: number, nowUs: number): void {
  if (sampleUs <= rtt.minRttUs || nowUs - rtt.thirdAtUs > minWindowUs) {
    restartMinimum(rtt, sampleUs, nowUs);
    return;
  }
  if (sampleUs <= rtt.secondUs) {
    setSecond(rtt, sampleUs, nowUs);
    setThird(rtt, sampleUs, nowUs);
  } else if (sampleUs <= rtt.thirdUs) {
    setThird(rtt, sampleUs, nowUs);
  }
  ageMinimum(rtt, sampleUs, nowUs);
}

/** Drops what left the window, and keeps the second and third best from a younger quarter and half of it. */
function ageMinimum(rtt: Rtt, sampleUs: number, nowUs: number): void {
  const ageUs = nowUs - rtt.minAtUs;
  if (ageUs > minWindowUs) {
    promote(rtt, sampleUs, nowUs);
    if (nowUs - rtt.minAtUs > minWindowUs) promote(rtt, sampleUs, nowUs);
  } else if (rtt.secondAtUs === rtt.minAtUs && ageUs > minWindowUs / 4) {
    setSecond(rtt, sampleUs, nowUs);
    setThird(rtt, sampleUs, nowUs);
  } else if (rtt.thirdAtUs === rtt.secondAtUs && ageUs > minWindowUs / 2) {
    setThird(rtt, sampleUs, nowUs);
  }
}

function promote(rtt: Rtt, sampleUs: number, nowUs: number): void {
  rtt.minRttUs = rtt.secondUs;
  rtt.minAtUs = rtt.secondAtUs;
  setSecond(rtt, rtt.thirdUs, rtt.thirdAtUs);
  setThird(rtt, sampleUs, nowUs);
}

function restartMinimum(rtt: Rtt, sampleUs: number, nowUs: number): void {
  rtt.minRttUs = sampleUs;
  rtt.minAtUs = nowUs;
  setSecond(rtt, sampleUs, nowUs);
  setThird(rtt, sampleUs, nowUs);
}

function setSecond(rtt: Rtt, us: number, atUs: number): void {
  rtt.secondUs = us;
  rtt.secondAtUs = atUs;
}

function setThird(rtt: Rtt, us: number, atUs: number): void {
  rtt.thirdUs = us;
  rtt.thirdAtUs = atUs;
}
