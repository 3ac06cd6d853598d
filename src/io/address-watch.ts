// Tells when the machine's addresses or routes change: at once by a netlink socket where there is one, and by asking
// every three seconds on other systems, where that is all there is; beside the netlink socket, which tells also that it has lost
// notices, only now and then: to an idle process that look was a quarter of its work. One change comes as
// several notices (the address, its routes, the interface's state), and what they tell of may be complete only after them:
// whoever is told looks at the first, every 5 ms while more come, and when they have ended. Where routes change all the
// time, that takes a quarter of it at most.

import { usableAddresses } from './interfaces.ts';
import { type Libc, loadLibc } from './libc.ts';
import { openRouteSocket } from './route-socket.ts';

const askEveryMs = 3_000;
const askToldEveryMs = 60_000;
const gapMs = 5;
const settleMs = 20;

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
  /** Until then nothing more is told; whether there was a notice meanwhile. */
  #gap: NodeJS.Timeout | undefined;
  #noticed = false;
  #settling: NodeJS.Timeout | undefined;
  #closed = false;

  /** `changed` is called after each change, and sometimes without one; never from here. Keeps no process alive. */
  constructor(changed: () => void, options: AddressWatchOptions = {}) {
    this.#changed = changed;
    const libc = options.libc ?? loadLibc();
    const socket = typeof libc === 'string' ? libc : openRouteSocket(libc, () => this.#notice());
    if (typeof socket === 'string') this.report = { kind: 'asking', why: socket };
    else {
      this.#stopListening = socket;
      this.report = { kind: 'netlink', why: 'the kernel tells' };
    }
    const every = options.askEveryMs ?? (this.report.kind === 'netlink' ? askToldEveryMs : askEveryMs);
    this.#asking = setInterval(() => this.#ask(), every).unref();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening?.();
    clearInterval(this.#asking);
    clearTimeout(this.#gap);
    clearTimeout(this.#settling);
  }

  #notice(): void {
    if (this.#closed) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#tell(), settleMs).unref();
    if (this.#gap === undefined) this.#tell();
    else this.#noticed = true;
  }

  #ask(): void {
    if (fingerprint() !== this.#known) this.#tell();
  }

  #tell(): void {
    const from = performance.now();
    this.#known = fingerprint();
    this.#changed();
    clearTimeout(this.#gap);
    this.#gap = setTimeout(() => this.#endGap(), Math.max(gapMs, 3 * (performance.now() - from))).unref();
  }

  #endGap(): void {
    this.#gap = undefined;
    if (!this.#noticed) return;
    this.#noticed = false;
    this.#tell();
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
