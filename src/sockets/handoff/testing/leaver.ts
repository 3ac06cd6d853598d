// A Socket as far as it can go to another process, for tests of those that let it go.

import type { Locator } from '../../../core/base/index.ts';
import type { Socket } from '../../socket.ts';
import type { Outcome } from '../leaving.ts';
import type { Luggage } from '../luggage.ts';

export class Leaver {
  readonly steps: string[] = [];
  to: Locator | undefined;
  readonly #number: number;
  readonly #may: boolean;
  readonly #luggage: Partial<Luggage> | undefined;
  #settle: (outcome: Outcome) => void = () => {};

  constructor(number: number, may = true, luggage: Partial<Luggage> | undefined = {}) {
    [this.#number, this.#may, this.#luggage] = [number, may, luggage];
  }

  depart(to: Locator): object | undefined {
    this.to = to;
    if (!this.#may) return undefined;
    const outcome = new Promise<Outcome>((resolve) => {
      this.#settle = resolve;
    });
    const exported = Promise.resolve(Uint8Array.of(this.#number));
    return { exported, outcome, leave: () => this.#end('leave', 'moved'), take: () => this.#end('take', 'stayed') };
  }

  pack(): Luggage | undefined {
    const nothing = new Uint8Array(0);
    if (this.#luggage === undefined) return undefined;
    return { bytesRead: 1, bytesWritten: 2, unread: nothing, unwritten: nothing, ...this.#luggage };
  }

  #end(step: string, outcome: Outcome): void {
    this.steps.push(step);
    this.#settle(outcome);
  }
}

export const leavers = (count: number): Leaver[] => Array.from({ length: count }, (_, i) => new Leaver(i));
export const sockets = (all: readonly Leaver[]): Socket[] => all as unknown as Socket[];
export const stepsOf = (all: readonly Leaver[]): string[] => all.map(({ steps }) => steps.join());
