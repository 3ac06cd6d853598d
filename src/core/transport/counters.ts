// What an engine counts of one connection, for people and for whoever watches for progress: sums over its life, never reset.
// Nothing in the protocol depends on them but `movedBytes`.

export interface TcbCounters {
  segmentsIn: number;
  segmentsOut: number;
  /** New payload bytes sent, acknowledged, and in-order bytes received. */
  bytesSent: number;
  bytesAcked: number;
  bytesReceived: number;
  retransmits: number;
  bytesRetransmitted: number;
  timeouts: number;
  tailLossProbes: number;
  recoveries: number;
  undos: number;
  reneged: number;
  /** Segments withheld to try the peer. */
  withheld: number;
  duplicatesIn: number;
  outOfOrderIn: number;
  rejectedBytes: number;
  acksOut: number;
  probesOut: number;
  /** Dropped: SYN or RST above SAL, old timestamps, unacceptable otherwise. */
  flagDrops: number;
  pawsDrops: number;
  drops: number;
}

export function createCounters(): TcbCounters {
  return {
    segmentsIn: 0,
    segmentsOut: 0,
    bytesSent: 0,
    bytesAcked: 0,
    bytesReceived: 0,
    retransmits: 0,
    bytesRetransmitted: 0,
    timeouts: 0,
    tailLossProbes: 0,
    recoveries: 0,
    undos: 0,
    reneged: 0,
    withheld: 0,
    duplicatesIn: 0,
    outOfOrderIn: 0,
    rejectedBytes: 0,
    acksOut: 0,
    probesOut: 0,
    flagDrops: 0,
    pawsDrops: 0,
    drops: 0,
  };
}
