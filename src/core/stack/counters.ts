// What a stack counts. A dropped packet is counted by its reason and never thrown (DESIGN, "Errors"); a refusal that
// was sent and a packet forwarded are counted too, so that a trace and the counters can be held against each other.

import { reasonName } from '../base/index.ts';

export interface Counters {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  forwarded: number;
  refused: number;
  connectionsOpened: number;
  connectionsAccepted: number;
  rebinds: number;
  /** Of peers, committed. */
  moves: number;
  /** Connections handed to this stack by others. */
  handedTo: number;
  /** Flows that were opened beside the first of a connection. */
  joins: number;
  readonly dropped: Float64Array;
}

export function createCounters(): Counters {
  return {
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    forwarded: 0,
    refused: 0,
    connectionsOpened: 0,
    connectionsAccepted: 0,
    rebinds: 0,
    moves: 0,
    handedTo: 0,
    joins: 0,
    dropped: new Float64Array(256),
  };
}

export function countDrop(counters: Counters, reason: number): void {
  counters.dropped[reason] = (counters.dropped[reason] ?? 0) + 1;
}

export interface CountersInfo {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly forwarded: number;
  readonly refused: number;
  readonly connectionsOpened: number;
  readonly connectionsAccepted: number;
  readonly rebinds: number;
  readonly moves: number;
  readonly handedTo: number;
  readonly joins: number;
  /** Only the reasons that occurred, by name. */
  readonly dropped: Readonly<Record<string, number>>;
}

export function countersInfo(counters: Counters): CountersInfo {
  const dropped: Record<string, number> = {};
  counters.dropped.forEach((count, reason) => {
    if (count > 0) dropped[reasonName(reason)] = count;
  });
  return { ...counters, dropped };
}
