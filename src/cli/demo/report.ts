// What the demo's client tells the demo: one JSON object per line.

export const parallelRequests = 4;

export type ClientReport =
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly instance: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly etag: string;
    }
  | { readonly kind: 'failed'; readonly name: string; readonly error: string }
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly seconds: number; readonly packets: number };
