// The contract between the engine and a congestion controller. The engine counts what is in flight, detects losses
// and times rounds; the controller only moves `cwndBytes` and `ssthreshBytes`. A controller is a set of functions over
// a plain record, so that a connection can be cloned, printed and exported; the record names no function.
// Everything is in bytes, because one ACK may cover a whole super-packet: a controller that counts ACKs would starve.

export interface Congestion {
  mssBytes: number;
  /** What may be in flight: an integer, as is ssthresh. */
  cwndBytes: number;
  /** Slow start below it; Infinity until the first congestion. */
  ssthreshBytes: number;
  /** What was in flight when recovery began; 0 outside recovery. */
  recoveryFlightBytes: number;
  /** Delivered since then. */
  recoveryDeliveredBytes: number;
}

/** One call of `onAck`: filled by the engine, owned by it, reused. */
export interface AckSample {
  nowUs: number;
  /** Newly acknowledged, cumulatively or selectively. */
  deliveredBytes: number;
  /** RFC 6675's pipe after this ACK: sent, neither delivered nor marked lost. */
  inFlightBytes: number;
  /** 0: this ACK gave no sample. */
  rttUs: number;
  minRttUs: number;
  srttUs: number;
  /** This is the first ACK of data sent after the previous round's last ACK. */
  roundStart: boolean;
  /** The application or the peer's window, not cwnd, held the sender back. */
  appLimited: boolean;
  /** Fast recovery: between `onLoss` and `onRecovered`, `onRto` or `onUndo`. */
  inRecovery: boolean;
}

/** What of a path is worth telling to another engine that goes on there, whichever controller it has. */
export interface KnownPath {
  readonly cwndBytes: number;
  readonly ssthreshBytes: number;
  /** The window at the last loss; 0: none was seen. */
  readonly peakBytes: number;
}

export interface CongestionControl {
  readonly name: string;
  create(mssBytes: number, known?: KnownPath): Congestion;
  /** Whatever is being recovered from counts as done. */
  describe(c: Congestion): KnownPath;
  onAck(c: Congestion, sample: AckSample): void;
  /** Enters fast recovery; `inFlightBytes` is the pipe once the losses are marked. Once per recovery. */
  onLoss(c: Congestion, nowUs: number, inFlightBytes: number): void;
  /** Everything sent before the loss was acknowledged. */
  onRecovered(c: Congestion, nowUs: number): void;
  /** The retransmission timer expired; slow start follows. May repeat. */
  onRto(c: Congestion, nowUs: number, inFlightBytes: number): void;
  /** The last reduction was spurious: back to the state before it. */
  onUndo(c: Congestion): void;
  /** Called before sending after `idleUs` without anything in flight. */
  onIdle(c: Congestion, idleUs: number, rtoUs: number): void;
  setMss(c: Congestion, mssBytes: number): void;
}

export function createAckSample(): AckSample {
  return {
    nowUs: 0,
    deliveredBytes: 0,
    inFlightBytes: 0,
    rttUs: 0,
    minRttUs: 0,
    srttUs: 0,
    roundStart: false,
    appLimited: false,
    inRecovery: false,
  };
}

/** RFC 6928. */
export function initialWindowBytes(mssBytes: number): number {
  return Math.min(10 * mssBytes, Math.max(2 * mssBytes, 14_600));
}

/** RFC 5681: neither cwnd nor ssthresh shrinks below this on a loss. */
export function minimumWindowBytes(mssBytes: number): number {
  return 2 * mssBytes;
}

/**
 * The window during fast recovery: proportional rate reduction (RFC 6937) as a function of what was delivered. It
 * glides from the flight at the loss down to ssthresh, and below ssthresh climbs back at the pace of slow start, so
 * that a burst of losses is not answered by a burst of packets. Counting what was sent, as the RFC does, is not needed.
 */
export function glide(c: Congestion, deliveredBytes: number, inFlightBytes: number): void {
  c.recoveryDeliveredBytes += deliveredBytes;
  if (inFlightBytes <= c.ssthreshBytes) {
    c.cwndBytes = Math.min(c.ssthreshBytes, inFlightBytes + deliveredBytes + c.mssBytes);
    return;
  }
  const done = Math.min(1, c.recoveryDeliveredBytes / c.recoveryFlightBytes);
  c.cwndBytes = Math.floor(c.recoveryFlightBytes - done * (c.recoveryFlightBytes - c.ssthreshBytes));
}
