// The contract between the engine and a congestion controller. The engine counts what is in flight, detects losses
// and times rounds; the controller moves `cwndBytes` and `ssthreshBytes` and says how fast to send. A controller is a set of
// functions over a plain record, so that a connection can be cloned, printed and exported; the record names no function.
// Everything is in bytes, because one ACK may cover a whole super-packet: a controller that counts ACKs would starve.

import type { Random } from '../base/index.ts';

export interface Congestion {
  mssBytes: number;
  /** What may be in flight: an integer, as is ssthresh. */
  cwndBytes: number;
  /** Slow start below it; Infinity until the first congestion, and where the controller has no such thing. */
  ssthreshBytes: number;
}

/** Of controllers whose window glides through recovery. */
export interface Gliding extends Congestion {
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
  /** This ACK showed the loss that recovery began with; `onLoss` has been called. */
  recoveryStart: boolean;
  /** When what was delivered last was sent; below 0: nobody knows. */
  sentAtUs: number;
  /** There was nothing left to send before this ACK, neither new nor lost, or the peer's window was full. */
  drained: boolean;
}

/** One batch that left: filled by the engine, owned by it, reused. */
export interface SendSample {
  nowUs: number;
  /** The pipe, with and without this batch. */
  inFlightBytes: number;
  priorBytes: number;
  /** It was all that there was to send, or that the peer's window took. */
  drained: boolean;
}

/** What of a path is worth telling to another engine that goes on there, whichever controller it has. */
export interface KnownPath {
  readonly cwndBytes: number;
  readonly ssthreshBytes: number;
  /** The window at the last loss; 0: none was seen. */
  readonly peakBytes: number;
  /** What BBR knows beside; undefined: another controller's path. */
  readonly model: PathModel | undefined;
}

export interface PathModel {
  /** 0: nothing was measured. */
  readonly bytesPerUs: number;
  /** 0: none was measured. */
  readonly minRttUs: number;
  /** What was in flight without too many losses; Infinity: as much as was tried. */
  readonly inflightBytes: number;
}

export type CongestionName = 'cubic' | 'bbr';

export interface CongestionControl {
  readonly name: CongestionName;
  create(mssBytes: number, random: Random, known?: KnownPath): Congestion;
  /** Whatever is being recovered from counts as done. */
  describe(c: Congestion): KnownPath;
  /** What pacing spreads over the path, in bytes per microsecond; 0: nothing is known yet. */
  pace(c: Congestion, srttUs: number): number;
  /** How much of what a sender missed that got no processor may leave at once, as time; more than the pacer allows anyway. */
  catchUpUs?(c: Congestion, srttUs: number): number;
  /** A batch with data left. */
  onSent?(c: Congestion, sample: SendSample): void;
  /** `bytes` that left at `sentAtUs` are taken as lost; before `onLoss`, if it is the first in this recovery. */
  onLost?(c: Congestion, nowUs: number, sentAtUs: number, bytes: number): void;
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
  onIdle(c: Congestion, nowUs: number, idleUs: number, rtoUs: number): void;
  setMss(c: Congestion, mssBytes: number): void;
  /** Nothing is in flight, perhaps for hours: gives back what only batches under way need. */
  shrink?(c: Congestion): void;
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
    recoveryStart: false,
    sentAtUs: -1,
    drained: false,
  };
}

export function createSendSample(): SendSample {
  return { nowUs: 0, inFlightBytes: 0, priorBytes: 0, drained: false };
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
export function glide(c: Gliding, deliveredBytes: number, inFlightBytes: number): void {
  c.recoveryDeliveredBytes += deliveredBytes;
  if (inFlightBytes <= c.ssthreshBytes) {
    c.cwndBytes = Math.min(c.ssthreshBytes, inFlightBytes + deliveredBytes + c.mssBytes);
    return;
  }
  const done = Math.min(1, c.recoveryDeliveredBytes / c.recoveryFlightBytes);
  c.cwndBytes = Math.floor(c.recoveryFlightBytes - done * (c.recoveryFlightBytes - c.ssthreshBytes));
}
