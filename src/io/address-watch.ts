// Tells when the machine's addresses or routes change: at once by a netlink socket where there is one, and by asking
// every three seconds, which is all that other systems have and what finds a notice that got lost. One change comes as
// several notices (the address, its routes, the interface's state): those of 20 ms are one. Where routes change all the
// time, looking takes a quarter of it at most.

import { usableAddresses } from './interfaces.ts';
import { type Libc, loadLibc } from './libc.ts';
import { openRouteSocket } from './route-socket.ts';

const askEveryMs = 3_000;
const gatherMs = 20;

export interface AddressWatchOptions {
  readonly askEveryMs?: number;
  /** The C library, or in words why there is none; for tests. */
  readonly libc?: Libc | string;
}

export interface AddressWatchReport {
  readonly kind: 'netlink' | 'asking';
  /** Why this kind, in words. */
  readonly why: string;
}

export class AddressWatch {
  readonly report: AddressWatchReport;
  readonly #changed: () => void;
  readonly #asking: NodeJS.Timeout;
  readonly #stopListening: (() => void) | undefined;
  #known = fingerprint();
  #gathering: NodeJS.Timeout | undefined;
  #gatherMs = gatherMs;
  #closed = false;

  /** `changed` is called after each change, never from here. Keeps no process alive. */
  constructor(changed: () => void, options: AddressWatchOptions = {}) {
    this.#changed = changed;
    this.#asking = setInterval(() => this.#ask(), options.askEveryMs ?? askEveryMs).unref();
    const libc = options.libc ?? loadLibc();
    const socket = typeof libc === 'string' ? libc : openRouteSocket(libc, () => this.#gather());
    if (typeof socket === 'string') this.report = { kind: 'asking', why: socket };
    else {
      this.#stopListening = socket;
      this.report = { kind: 'netlink', why: 'the kernel tells' };
    }
  }

  close(): void {
    this.#closed = true;
    this.#stopListening?.();
    clearInterval(this.#asking);
    clearTimeout(this.#gathering);
  }

  #gather(): void {
    if (!this.#closed) this.#gathering ??= setTimeout(() => this.#tell(), this.#gatherMs).unref();
  }

  #ask(): void {
    if (this.#gathering === undefined && fingerprint() !== this.#known) this.#tell();
  }

  #tell(): void {
    this.#gathering = undefined;
    const from = performance.now();
    this.#known = fingerprint();
    this.#changed();
    this.#gatherMs = Math.max(gatherMs, 3 * (performance.now() - from));
  }
}

/** Opens a watch, asks how it watches, closes it: for `caracal doctor`. */
export function addressWatchReport(): AddressWatchReport {
  const watch = new AddressWatch(() => {});
  watch.close();
  return watch.report;
}

function fingerprint(): string {
  return usableAddresses()
    .map(({ name, text }) => `${name} ${text}`)
    .join('\n');
}
