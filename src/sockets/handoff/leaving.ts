// One connection on its way to another process. It stands still from its export on; then it has left, or it is taken
// back. Only its peer knows which of both it was when nobody answers, so a connection that is taken back may turn
// out to have left. `outcome` is settled in any case.

import type { Locator } from '../../core/base/index.ts';
import { Reason } from '../../core/base/index.ts';
import type { Event } from '../../core/stack/index.ts';
import type { Flow } from '../flow.ts';

/** It goes on there; it goes on here; it ended meanwhile. */
export type Outcome = 'moved' | 'stayed' | 'gone';

export class Leaving {
  /** With the state, which holds keys. Undefined: it has ended before. */
  readonly exported: Promise<Uint8Array | undefined>;
  readonly outcome: Promise<Outcome>;
  /** Bytes that travel along, of those that were written. */
  unwrittenBytes = 0;
  /** Another process goes on with it. */
  hasLeft = false;
  readonly #flow: Flow;
  #taken = false;
  #tellExported!: (state: Uint8Array | undefined) => void;
  #settle!: (outcome: Outcome) => void;

  private constructor(flow: Flow) {
    this.#flow = flow;
    this.exported = new Promise((resolve) => {
      this.#tellExported = resolve;
    });
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** `to`: where packets that still come here are passed on to. Undefined: it cannot leave now. */
  static begin(flow: Flow, to: Locator): Leaving | undefined {
    const reason = flow.driver.handle({ kind: 'export', socket: flow.id, to });
    return reason === Reason.OK ? new Leaving(flow) : undefined;
  }

  /** It arrived. */
  leave(): void {
    if (!this.#taken) this.#flow.driver.handle({ kind: 'leave', socket: this.#flow.id });
  }

  /** It is to go on here. */
  take(): void {
    if (this.#taken) return;
    this.#taken = true;
    if (this.#flow.driver.handle({ kind: 'take', socket: this.#flow.id }) !== 1) this.end('gone');
  }

  /** What the stack says of it. True: there is no more to say. */
  handle(event: Event): boolean {
    if (event.kind === 'exported') this.#tellExported(event.state);
    else if (event.kind === 'migrated') this.end('stayed');
    else if (event.kind === 'closed') {
      this.hasLeft = this.#isElsewhere(event.reason);
      this.end(this.hasLeft ? 'moved' : 'gone');
    } else return false;
    return event.kind !== 'exported';
  }

  end(outcome: Outcome): void {
    this.#tellExported(undefined);
    this.#settle(outcome);
  }

  /** It was taken back, and its peer had heard of the other one before. */
  #isElsewhere(reason: Reason): boolean {
    return reason === Reason.HANDED_OVER || (this.#taken && reason === Reason.SUPERSEDED);
  }
}
