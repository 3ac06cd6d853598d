// One try to go on at another instance: a connection, the request, and, where there is something to prove, the head of
// its answer. It decides nothing but whether this instance will do; what becomes of the old connection is the carrier's.

import { Reason, reasonName } from '../../core/base/index.ts';
import type { Event } from '../../core/stack/index.ts';
import type { Carrier } from '../flow.ts';
import type { Verdict } from './entity.ts';
import { parseResponseHead, type ResponseHead } from './head.ts';
import { maxHeadBytes } from './reader.ts';

export type Outcome =
  /** `flow` is open and has the request; of its answer `rest` has come after the head that `verdict` is about. */
  | { readonly kind: 'accepted'; readonly verdict: Accepted | undefined; readonly rest: Buffer }
  /** `closed`: the connection itself failed. */
  | { readonly kind: 'unable'; readonly why: string; readonly closed: ClosedEvent | undefined }
  | { readonly kind: 'changed'; readonly why: string };

export type Accepted = Extract<Verdict, { kind: 'same' | 'complete' }>;
export type ClosedEvent = Extract<Event, { kind: 'closed' }>;

export class Attempt {
  readonly flow: Carrier;
  readonly #request: Buffer;
  readonly #judge: ((answer: ResponseHead) => Verdict) | undefined;
  #sentBytes = 0;
  #answer: Buffer = Buffer.alloc(0);

  /** `request` may be empty. Without `judge` whatever is answered is right, and not waited for. */
  constructor(flow: Carrier, request: string, judge: ((answer: ResponseHead) => Verdict) | undefined) {
    this.flow = flow;
    this.#request = Buffer.from(request, 'latin1');
    this.#judge = judge;
  }

  /** Undefined: not decided yet. */
  onEvent(event: Event): Outcome | undefined {
    switch (event.kind) {
      case 'connected':
        this.flow.read();
        return this.#send();
      case 'writable':
        return this.#send();
      case 'data':
        return this.#read(event.bytes);
      case 'end':
        return unable('another instance ends without an answer');
      case 'closed':
        return unable(`another instance cannot be reached: ${describe(event)}`, event);
      default:
        return undefined;
    }
  }

  #send(): Outcome | undefined {
    if (this.#sentBytes < this.#request.length) this.#sentBytes += this.flow.write(this.#request, this.#sentBytes);
    const done = this.#sentBytes === this.#request.length && this.#judge === undefined;
    return done ? { kind: 'accepted', verdict: undefined, rest: this.#answer } : undefined;
  }

  /** Interim answers are passed over: the client has had its own. */
  #read(bytes: Uint8Array): Outcome | undefined {
    this.#answer = Buffer.concat([this.#answer, bytes]);
    for (;;) {
      const end = this.#answer.indexOf('\r\n\r\n') + 4;
      if (end < 4 && this.#answer.length <= maxHeadBytes) {
        this.flow.read();
        return undefined;
      }
      const head = end < 4 ? undefined : parseResponseHead(this.#answer.toString('latin1', 0, end));
      if (head === undefined || head.status === 101) return unable('the answer of another instance cannot be read');
      this.#answer = this.#answer.subarray(end);
      if (head.status < 200) continue;
      const verdict = this.#judge?.(head);
      if (verdict?.kind === 'changed') return verdict;
      if (verdict?.kind === 'unable') return unable(verdict.why);
      return { kind: 'accepted', verdict, rest: this.#answer };
    }
  }
}

export function describe({ reason, detail }: ClosedEvent): string {
  const name = reasonName(reason === Reason.OK ? Reason.CLOSED : reason);
  return detail === '' ? name : `${name} (${detail})`;
}

function unable(why: string, closed?: ClosedEvent): Outcome {
  return { kind: 'unable', why, closed };
}
