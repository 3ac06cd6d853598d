// How fast the path delivers (draft-ietf-ccwg-bbr, "Delivery Rate Samples"): between the sending of a batch and its ACK so
// much was delivered, over the longer of the times that sending and acknowledging it took. What held when a batch left is
// kept in a log by the time of sending, which the scoreboard has for every run: a batch costs one entry, and connections
// without a model of the path none. State in the scoreboard's runs was rejected, since all connections have those.
// What left within a five hundredth of a round trip shares an entry, so the log has a bound whatever the rate; a sending that is
// older than all of the log gives no sample.

import type { SendSample } from './congestion.ts';

export interface DeliveryRate {
  deliveredBytes: number;
  deliveredAtUs: number;
  lostBytes: number;
  /** When the batch left that was delivered last, or the first one after an idle time. */
  firstSentAtUs: number;
  /** What is sent below this count of delivered bytes was not limited by the path; 0: the path is the limit. */
  appLimitedBytes: number;
  readonly flights: Flights;
  /** Of the newest ACK. */
  readonly sample: RateSample;
}

export interface RateSample {
  /** The ACK was of a batch that the log knows. */
  known: boolean;
  /** Bytes per microsecond; 0: none. */
  rate: number;
  deliveredBytes: number;
  newlyDeliveredBytes: number;
  /** Delivered in all when that batch left, and what was in flight then. */
  priorDeliveredBytes: number;
  flightBytes: number;
  /** Lost since it left. */
  lostBytes: number;
  appLimited: boolean;
}

/** A ring of entries, oldest first. */
export interface Flights {
  entries: Float64Array;
  first: number;
  count: number;
  /** What leaves within this time of the newest entry shares it. */
  gapUs: number;
}

/** Where the numbers of an entry stand. */
const Entry = { SENT_AT: 0, DELIVERED: 1, DELIVERED_AT: 2, FIRST_SENT_AT: 3, IN_FLIGHT: 4, LOST: 5, APP_LIMITED: 6 };
const entryNumbers = 7;
const firstCapacity = 32;
const lastCapacity = 4096;
/** Nothing of a batch that left so many round trips ago is waited for. */
const keptRoundTrips = 4;
const entriesPerRoundTrip = 500;
/** Of shorter round trips as many are kept: the peer may sit on an ACK. */
const leastRttUs = 25_000;

/** A connection that has sent nothing holds no log. */
const noEntries = new Float64Array(0);

export function createDeliveryRate(): DeliveryRate {
  return {
    deliveredBytes: 0,
    deliveredAtUs: 0,
    lostBytes: 0,
    firstSentAtUs: 0,
    appLimitedBytes: 0,
    flights: { entries: noEntries, first: 0, count: 0, gapUs: 0 },
    sample: {
      known: false,
      rate: 0,
      deliveredBytes: 0,
      newlyDeliveredBytes: 0,
      priorDeliveredBytes: 0,
      flightBytes: 0,
      lostBytes: 0,
      appLimited: false,
    },
  };
}

export function noteFlight(r: DeliveryRate, { nowUs, inFlightBytes, priorBytes }: SendSample): void {
  if (priorBytes <= 0) {
    r.firstSentAtUs = nowUs;
    r.deliveredAtUs = nowUs;
  }
  const { flights } = r;
  const last = flights.count === 0 ? -1 : placeOf(flights, flights.count - 1);
  const shared = last >= 0 && priorBytes > 0 && nowUs - flights.entries[last + Entry.SENT_AT]! <= flights.gapUs;
  const at = shared ? last : appendFlight(flights);
  flights.entries[at + Entry.IN_FLIGHT] = inFlightBytes;
  if (shared) return;
  flights.entries[at + Entry.SENT_AT] = nowUs;
  flights.entries[at + Entry.DELIVERED] = r.deliveredBytes;
  flights.entries[at + Entry.DELIVERED_AT] = r.deliveredAtUs;
  flights.entries[at + Entry.FIRST_SENT_AT] = r.firstSentAtUs;
  flights.entries[at + Entry.LOST] = r.lostBytes;
  flights.entries[at + Entry.APP_LIMITED] = r.appLimitedBytes > 0 ? 1 : 0;
}

/** The sender runs dry, or is held back on purpose: what follows says nothing of the path until this much is delivered. */
export function limitByApplication(r: DeliveryRate, inFlightBytes: number): void {
  r.appLimitedBytes = Math.max(1, r.deliveredBytes + inFlightBytes);
}

/** `bytes` were delivered by the ACK of what left at `sentAtUs`; fills the sample. */
export function sampleRate(r: DeliveryRate, nowUs: number, sentAtUs: number, bytes: number, minRttUs: number): void {
  const { sample, flights } = r;
  r.deliveredBytes += bytes;
  r.deliveredAtUs = nowUs;
  if (r.appLimitedBytes > 0 && r.deliveredBytes > r.appLimitedBytes) r.appLimitedBytes = 0;
  sample.newlyDeliveredBytes = bytes;
  sample.rate = 0;
  sample.deliveredBytes = 0;
  const at = findFlight(flights, sentAtUs);
  sample.known = at >= 0;
  if (sentAtUs >= 0) r.firstSentAtUs = sentAtUs;
  if (at < 0) return;
  const { entries } = flights;
  readFlight(r, at);
  sample.deliveredBytes = r.deliveredBytes - sample.priorDeliveredBytes;
  const sendUs = sentAtUs - entries[at + Entry.FIRST_SENT_AT]!;
  const intervalUs = Math.max(sendUs, nowUs - entries[at + Entry.DELIVERED_AT]!);
  // Shorter than the path is long: the ACK was of an earlier sending.
  if (intervalUs >= Math.max(1, minRttUs)) sample.rate = sample.deliveredBytes / intervalUs;
}

/** `bytes` that left at `sentAtUs` are lost. Answers whether the sample now tells of that batch. */
export function noteLost(r: DeliveryRate, sentAtUs: number, bytes: number): boolean {
  r.lostBytes += bytes;
  const at = findFlight(r.flights, sentAtUs);
  if (at < 0) return false;
  readFlight(r, at);
  return true;
}

/** Drops what is too old to matter. */
export function forgetFlights({ flights }: DeliveryRate, nowUs: number, srttUs: number): void {
  const rttUs = Math.max(leastRttUs, srttUs);
  const beforeUs = nowUs - keptRoundTrips * rttUs;
  flights.gapUs = rttUs / entriesPerRoundTrip;
  while (flights.count > 0 && flights.entries[placeOf(flights, 0) + Entry.SENT_AT]! < beforeUs) dropOldest(flights);
}

/** Nothing is under way: the log is given back. */
export function forgetAll({ flights }: DeliveryRate): void {
  flights.entries = noEntries;
  flights.first = 0;
  flights.count = 0;
}

function readFlight({ flights: { entries }, sample, lostBytes }: DeliveryRate, at: number): void {
  sample.priorDeliveredBytes = entries[at + Entry.DELIVERED]!;
  sample.flightBytes = entries[at + Entry.IN_FLIGHT]!;
  sample.lostBytes = lostBytes - entries[at + Entry.LOST]!;
  sample.appLimited = entries[at + Entry.APP_LIMITED] === 1;
}

/** Answers where it stands. */
function appendFlight(flights: Flights): number {
  if (flights.count * entryNumbers === flights.entries.length) makeRoom(flights);
  return placeOf(flights, flights.count++);
}

function makeRoom(flights: Flights): void {
  const capacity = flights.entries.length / entryNumbers;
  if (capacity >= lastCapacity) return dropOldest(flights);
  const entries = new Float64Array(entryNumbers * Math.max(firstCapacity, 2 * capacity));
  const behind = flights.entries.subarray(flights.first * entryNumbers);
  entries.set(behind);
  entries.set(flights.entries.subarray(0, flights.first * entryNumbers), behind.length);
  flights.entries = entries;
  flights.first = 0;
}

function dropOldest(flights: Flights): void {
  flights.first = (flights.first + 1) % (flights.entries.length / entryNumbers);
  flights.count--;
}

/** The newest entry that is not newer; -1: the log begins later. */
function findFlight(flights: Flights, sentAtUs: number): number {
  let low = 0;
  let high = flights.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (flights.entries[placeOf(flights, middle) + Entry.SENT_AT]! <= sentAtUs) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? -1 : placeOf(flights, low - 1);
}

function placeOf({ entries, first }: Flights, index: number): number {
  return ((first + index) * entryNumbers) % entries.length;
}
