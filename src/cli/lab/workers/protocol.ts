// What the programs of the lab agree on among each other, apart from the programs: importing one would run it.

/** To a source: the stream begins. Every other byte is sent back. */
export const beginByte = 0x0a;

/** What a source says at the end of one stream. */
export interface SourceReport {
  readonly kind: 'sent';
  readonly bytes: number;
  readonly sha256: string;
}

/** What was seen of one move. Times on the clock that all processes share. */
export interface MoveSeen {
  readonly fromMs: number;
  /** From the last byte that came by the old address to the first by the new one. */
  readonly pauseMs: number;
  /** Between any two deliveries, from the call until a while after the other end had been told. */
  readonly longestMs: number;
  /** Until `migrate` resolved. */
  readonly resolvedMs: number;
}

/** The longest time between two deliveries, and when it began. */
export interface PauseSeen {
  readonly fromMs: number;
  readonly pauseMs: number;
}

/** A download as it goes: [ms, bytes of the program, bytes received by each link of its driver], in bins. */
export type PathSample = readonly [number, number, readonly number[]];

export interface PathsSeen {
  readonly bytes: number;
  readonly sha256: string;
  readonly samples: readonly PathSample[];
}

export interface DownloadSeen {
  readonly bytes: number;
  readonly sha256: string;
  /** [ms, bytes], in bins. */
  readonly samples: readonly (readonly [number, number])[];
}

/** What web servers of the lab serve: any number of these bytes, from the first one on. */
export const webBytes = 512 * 1024;

/** How an instance parted with its clients. */
export interface PartingSeen {
  readonly fromMs: number;
  readonly tookMs: number;
  /** Requests that were under way. */
  readonly active: number;
  /** Clients that went on elsewhere, and those that were reset. */
  readonly moved: number;
  readonly reset: number;
}

export interface InstanceSeen {
  /** [ms, bytes], in bins, as they were handed to the network. */
  readonly samples: readonly (readonly [number, number])[];
  /** [ms, requests under way], in bins. */
  readonly active: readonly (readonly [number, number])[];
}

/** One request: when its answer began and ended, who began it, when it had gone on at another instance. */
export interface VisitSeen {
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
  readonly movedMs: readonly number[];
}

export interface VisitsSeen {
  readonly visits: readonly VisitSeen[];
  readonly failures: readonly string[];
}

/** One handing over, as the process that did it saw it. */
export interface HandedSeen {
  readonly fromMs: number;
  readonly toMs: number;
  readonly moved: number;
  readonly stayed: number;
}

/** What the members of a room saw of it. */
export interface RoomSeen {
  readonly connections: number;
  readonly said: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly lost: number;
  readonly doubled: number;
  /** [ms, messages delivered], in bins. */
  readonly samples: readonly (readonly [number, number])[];
}
