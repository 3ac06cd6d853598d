// What the demo's client and the demo tell each other: one JSON object per line from the client, `move` to it.

export const parallelRequests = 4;

/** A file that is being fetched. */
export interface UnderWay {
  /** The instance whose answer it is, or was at first. */
  readonly instance: string;
  readonly bytes: number;
}

export type ClientReport =
  | {
      readonly kind: 'file';
      readonly name: string;
      /** Whose answer it was at first. */
      readonly instance: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly etag: string;
    }
  | { readonly kind: 'failed'; readonly name: string; readonly error: string }
  | { readonly kind: 'progress'; readonly bytes: number; readonly underWay: readonly UnderWay[] }
  /** One connection has moved; the longest time without a byte meanwhile. */
  | { readonly kind: 'moved'; readonly pauseMs: number }
  /** One answer has gone on at another instance; `asked`: its own asked for that, otherwise it was lost. */
  | { readonly kind: 'resumed'; readonly pauseMs: number; readonly asked: boolean }
  | { readonly kind: 'done'; readonly seconds: number; readonly packets: number };
