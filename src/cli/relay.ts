// Joins two byte streams, one of them TCP and one a service connection: data with back-pressure, ends one direction at
// a time (half-close), breaks as breaks. `stream.pipeline` was rejected: on an error it destroys the other side with an
// ordinary end, and a client would take a cut answer for a whole one.

import type { Duplex } from 'node:stream';

/** A Duplex that can be broken off so that the other end notices. */
export interface Resettable extends Duplex {
  resetAndDestroy?(): unknown;
}

/** Resolves when both are closed: the first error of either side, or undefined after two orderly ends. */
export function relay(a: Resettable, b: Resettable): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let failure: Error | undefined;
    let open = 2;
    const watch = (self: Resettable, other: Resettable): void => {
      self.on('error', (error) => {
        failure ??= error;
        reset(other);
      });
      self.once('close', () => {
        if (!orderly(self)) reset(other);
        if (--open === 0) resolve(failure);
      });
    };
    watch(a, b);
    watch(b, a);
    a.pipe(b);
    b.pipe(a);
  });
}

/** Both directions came to their end. */
function orderly(stream: Resettable): boolean {
  return stream.readableEnded && stream.writableFinished;
}

export function reset(stream: Resettable): void {
  if (stream.destroyed) return;
  if (stream.resetAndDestroy !== undefined) stream.resetAndDestroy();
  else stream.destroy();
}
