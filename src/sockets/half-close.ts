// What the peer's end means for writing, as in net: once it has made our side end too (no `allowHalfOpen`), a write is EPIPE
// and not "write after end".

import { Duplex } from 'node:stream';
import { brokenPipe } from './errors.ts';
import type { Socket } from './socket.ts';

/** Listener of 'end'. */
export function onReadableEnd(this: Socket): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd;
}

function writeAfterEnd(
  this: Socket,
  chunk: unknown,
  encoding?: BufferEncoding | ((error: Error | null | undefined) => void),
  callback?: (error: Error | null | undefined) => void,
): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback);
  const done = typeof encoding === 'function' ? encoding : callback;
  const error = brokenPipe(this.remoteService ?? this.localService ?? 'unknown');
  if (done) process.nextTick(done, error);
  this.destroy(error);
  return false;
}
