// A one-way link: what can happen to a packet between two points, drawn from a seed and counted. Order of the
// verdicts: down, filtered, too big, queue full (tail drop), lost, corrupted; what remains is carried. Without `reorder`
// a link keeps its order however large the jitter. A corrupted packet is dropped, as the UDP checksum would do; what
// passes a checksum although damaged is for fuzzing, not for the network.

import { type Locator, type Random, randomBelow, randomFraction } from '../core/base/index.ts';
import { type Clock, schedule } from './clock.ts';

export interface Packet {
  readonly source: Locator;
  readonly destination: Locator;
  readonly bytes: Uint8Array;
  /** One of the copies of a packet to the whole segment. */
  readonly multicast?: boolean;
}

export interface LinkOptions {
  delayUs: number;
  /** Uniform, added to the delay. */
  jitterUs: number;
  /** Infinity: packets take no time to send. */
  bitsPerSecond: number;
  /** What may wait for the rate; the packet being sent counts. */
  queueBytes: number;
  /** Independent loss of each packet, 0..1; so are the next three. */
  loss: number;
  reorder: number;
  duplicate: number;
  corrupt: number;
  /** How much later a reordered packet arrives: up to this. */
  reorderUs: number;
  /** Gilbert's two states: chances per packet to enter and leave the bad one, and the loss inside it. */
  burst: { readonly enter: number; readonly leave: number; readonly loss: number } | undefined;
  /** Largest packet, IP and UDP headers not counted. */
  mtuBytes: number;
  /** Tell the sender of a packet above the MTU (ICMP); otherwise it vanishes. */
  reportTooBig: boolean;
  up: boolean;
  /** Sees each packet first; false drops it. */
  filter: ((packet: Packet) => boolean) | undefined;
}

export type Fate = 'carried' | 'down' | 'filtered' | 'too-big' | 'queue-full' | 'lost' | 'corrupted';

export interface LinkCounters {
  readonly fates: Record<Fate, number>;
  /** Of those carried. */
  bytes: number;
  duplicated: number;
  reordered: number;
}

export interface Link {
  /** May be changed at any time; packets under way are not affected. */
  readonly options: LinkOptions;
  readonly counters: LinkCounters;
  readonly random: Random;
  inBurst: boolean;
  /** When the last queued packet will have been sent. */
  busyUntilUs: number;
  lastArrivalUs: number;
}

export const idealLink: LinkOptions = {
  delayUs: 1_000,
  jitterUs: 0,
  bitsPerSecond: Infinity,
  queueBytes: Infinity,
  loss: 0,
  reorder: 0,
  duplicate: 0,
  corrupt: 0,
  reorderUs: 5_000,
  burst: undefined,
  mtuBytes: 65_507,
  reportTooBig: false,
  up: true,
  filter: undefined,
};

export function createLink(random: Random, options: Partial<LinkOptions> = {}): Link {
  return {
    options: { ...idealLink, ...options },
    counters: {
      fates: { carried: 0, down: 0, filtered: 0, 'too-big': 0, 'queue-full': 0, lost: 0, corrupted: 0 },
      bytes: 0,
      duplicated: 0,
      reordered: 0,
    },
    random,
    inBurst: false,
    busyUntilUs: 0,
    lastArrivalUs: 0,
  };
}

/** Takes a packet now; `arrive` is called once, twice if duplicated, never if the fate is a drop. */
export function carry(link: Link, clock: Clock, packet: Packet, arrive: (packet: Packet) => void): Fate {
  const fate = decide(link, clock.nowUs, packet);
  link.counters.fates[fate]++;
  if (fate !== 'carried') return fate;
  link.counters.bytes += packet.bytes.length;
  schedule(clock, arrivalUs(link), () => arrive(packet));
  if (happens(link, link.options.duplicate)) {
    link.counters.duplicated++;
    schedule(clock, arrivalUs(link), () => arrive(packet));
  }
  return fate;
}

/** A packet that is lost or corrupted has been sent: it takes its share of the rate. */
function decide(link: Link, nowUs: number, packet: Packet): Fate {
  const { options } = link;
  if (!options.up) return 'down';
  if (options.filter !== undefined && !options.filter(packet)) return 'filtered';
  const { length } = packet.bytes;
  if (length > options.mtuBytes) return 'too-big';
  const bytesPerUs = options.bitsPerSecond / 8e6;
  const startUs = Math.max(nowUs, link.busyUntilUs);
  const waitingBytes = bytesPerUs === Infinity ? 0 : (startUs - nowUs) * bytesPerUs;
  if (waitingBytes + length > options.queueBytes) return 'queue-full';
  link.busyUntilUs = startUs + length / bytesPerUs;
  if (isLost(link)) return 'lost';
  return happens(link, options.corrupt) ? 'corrupted' : 'carried';
}

function isLost(link: Link): boolean {
  const { burst, loss } = link.options;
  if (burst !== undefined) {
    if (happens(link, link.inBurst ? burst.leave : burst.enter)) link.inBurst = !link.inBurst;
    if (link.inBurst && happens(link, burst.loss)) return true;
  }
  return happens(link, loss);
}

function arrivalUs(link: Link): number {
  const { delayUs, jitterUs, reorder, reorderUs } = link.options;
  const atUs = Math.ceil(link.busyUntilUs + delayUs + (jitterUs > 0 ? randomFraction(link.random) * jitterUs : 0));
  if (happens(link, reorder)) {
    link.counters.reordered++;
    return atUs + 1 + randomBelow(link.random, reorderUs);
  }
  link.lastArrivalUs = Math.max(link.lastArrivalUs, atUs);
  return link.lastArrivalUs;
}

/** Draws only when there is a chance, so that an impairment that is off does not shift the others' draws. */
function happens(link: Link, chance: number): boolean {
  return chance > 0 && randomFraction(link.random) < chance;
}
