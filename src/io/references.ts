// Which sockets keep the process alive: all that are listened to but those that were let off. Those are few, so they are the
// ones that are written down: a set of the others would cost every idle connection its entry.

import type { SocketId } from '../core/stack/index.ts';

export class References {
  readonly #letOff = new Set<SocketId>();
  #count = 0;
  readonly #changed: (held: boolean) => void;

  /** `changed`: there is a first one, or no more. */
  constructor(changed: (held: boolean) => void) {
    this.#changed = changed;
  }

  get held(): boolean {
    return this.#count > 0;
  }

  /** A socket that counts; to be called once. */
  add(): void {
    if (++this.#count === 1) this.#changed(true);
  }

  ref(socket: SocketId): void {
    if (this.#letOff.delete(socket)) this.add();
  }

  /** Of one that was added. */
  unref(socket: SocketId): void {
    if (this.#letOff.has(socket)) return;
    this.#letOff.add(socket);
    if (--this.#count === 0) this.#changed(false);
  }

  /** It is gone. */
  remove(socket: SocketId): void {
    this.unref(socket);
    this.#letOff.delete(socket);
  }
}
