// What a client and a service say to each other over one connection of the client's, followed as it passes: which
// requests wait for an answer, and how much of the answer under way the client has. It changes nothing of it until an
// answer goes on from elsewhere. From the first byte that is not plainly HTTP/1.x, and after an upgrade or CONNECT,
// everything is `opaque`: it passes as it comes, and nobody knows how it could go on.

import { type Entity, promisedEntity } from './entity.ts';
import {
  type Framing,
  isPersistent,
  parseRequestHead,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
  requestFraming,
  responseFraming,
} from './head.ts';
import { MessageReader } from './reader.ts';
import { type Position, Rest } from './rest.ts';

/** What a break of the connection at this moment leaves. */
export type Standing =
  /** No answer is owed; `started`: the beginning of a request that has begun. */
  | { readonly kind: 'between'; readonly started: string }
  /** An answer is owed, nothing of it has come, and `request` may be asked again. */
  | { readonly kind: 'unanswered'; readonly request: string }
  | { readonly kind: 'interrupted'; readonly interrupted: Interrupted }
  /** It cannot go on elsewhere; empty if that goes without saying. */
  | { readonly kind: 'stuck'; readonly why: string };

/** An answer of which the client has a part. */
export interface Interrupted {
  readonly request: RequestHead;
  readonly entity: Entity;
  readonly position: Position;
  /** The beginning of the next request, if it has begun. */
  readonly started: string;
}

interface Exchange {
  readonly request: RequestHead;
  response: ResponseHead | undefined;
}

const nothing = Buffer.alloc(0);
/** With more requests in flight on one connection nothing is followed any further. */
const maxExchanges = 100;
/** Safe (RFC 9110 section 9.2.1): asked twice, they have changed nothing. */
const safe = new Set(['GET', 'HEAD', 'OPTIONS']);

export class Conversation {
  opaque = false;
  /** What came from elsewhere is not what was promised, after all. */
  broken: string | undefined;
  /** Those that wait for an answer, the first of them being answered. */
  readonly #exchanges: Exchange[] = [];
  #last: Exchange | undefined;
  #interim = false;
  #rest: Rest | undefined;
  /** The last answer was completed from elsewhere. */
  #resumed = false;
  /** The beginning of a piece that is not whole yet: of requests, which has gone on; of answers, which has not. */
  #started: Buffer = nothing;
  #held: Buffer = nothing;
  readonly #requests: MessageReader;
  readonly #responses: MessageReader;
  readonly #pass: (bytes: Buffer) => void;

  /** `pass` gives bytes to the client. */
  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
    this.#requests = new MessageReader((text) => /^[A-Z]{1,20}(?: |$)/.test(text), {
      onHead: (text) => this.#onRequest(text),
      onComplete() {},
    });
    this.#responses = new MessageReader((text) => 'HTTP/1.'.startsWith(text.slice(0, 7)), {
      onHead: (text) => this.#onResponse(text),
      onComplete: () => this.#onAnswered(),
    });
  }

  /** The client said this, and it has gone on to the service. */
  sent(bytes: Buffer): void {
    if (this.opaque) return;
    let rest = join(this.#started, bytes);
    while (rest.length > 0) {
      const read = this.#requests.read(rest);
      if (read === 0) break;
      rest = rest.subarray(read);
    }
    // A copy: the bytes are the application's.
    this.#started = rest.length === 0 ? nothing : Buffer.from(rest);
    if (this.#requests.opaque || this.#exchanges.length > maxExchanges) this.opaque = true;
  }

  /** The service said this: what is whole of it is passed on. */
  received(bytes: Buffer): void {
    let rest = join(this.#held, bytes);
    this.#held = nothing;
    while (rest.length > 0 && !this.opaque && this.#exchanges.length > 0) {
      const asItCame = this.#rest === undefined;
      const read = this.#responses.read(rest);
      if (this.#responses.opaque && !asItCame) this.broken = 'the answer of another instance cannot be read';
      if (this.broken !== undefined) return;
      if (this.#responses.opaque) break;
      if (read === 0) {
        this.#held = rest;
        return;
      }
      const all = read === rest.length;
      if (asItCame) this.#pass(all ? rest : rest.subarray(0, read));
      if (all) return;
      rest = rest.subarray(read);
    }
    if (rest.length === 0) return;
    // Nobody asked for it, or nobody can read it.
    this.opaque = true;
    this.#pass(rest);
  }

  /** Passes on what was held back: the rest of its piece will not come. */
  flush(): void {
    const held = this.#held;
    this.#held = nothing;
    if (held.length > 0) this.#pass(held);
  }

  standing(): Standing {
    const [exchange, next] = this.#exchanges;
    if (this.opaque) return stuck('');
    if (!this.#requests.between) return stuck('its request has a body');
    if (next !== undefined) return stuck('requests were pipelined');
    if (exchange === undefined) return this.#standingBetween();
    const { request, response } = exchange;
    const started = this.#started.toString('latin1');
    if (response !== undefined) return this.#standingWithin(request, response, started);
    if (!safe.has(request.method)) return stuck(`${request.method} is not repeated`);
    if (requestFraming(request) !== 0) return stuck('its request has a body');
    return { kind: 'unanswered', request: request.text + started };
  }

  /** Whether the answer that was `interrupted` is still under way, and nothing was said after its request. */
  isStill({ request }: Interrupted): boolean {
    return !this.opaque && this.#exchanges.length === 1 && this.#exchanges[0]?.request === request && !this.hasStarted;
  }

  /** Bytes of the body under way that the client has. */
  get offset(): number {
    return this.#rest?.offset ?? this.#responses.bodyBytes;
  }

  /** A request has begun that is not whole yet. */
  get hasStarted(): boolean {
    return this.#started.length > 0 || !this.#requests.between;
  }

  /** No answer is owed, and no request has begun. */
  get idle(): boolean {
    return this.#exchanges.length === 0 && !this.hasStarted;
  }

  /** The answer goes on: what is received next is its body from `start`, so and so delimited. */
  goOn({ request, entity }: Interrupted, start: number, framing: number | 'chunked'): void {
    const response = this.#exchanges[0]!.response!;
    this.#rest = new Rest(entity, this.#position(request, response), start, this.#pass);
    this.#responses.onBody = (bytes) => this.#onRest(bytes);
    this.#held = nothing;
    this.#interim = false;
    this.#responses.beginBody(framing);
  }

  /** The request was asked again: what is received next is its answer, from the beginning. */
  startOver(): void {
    this.#held = nothing;
    this.#responses.reset();
  }

  /** Completed from elsewhere, the last answer had announced that the connection would end: now nobody else ends it. */
  get over(): boolean {
    return this.#resumed && this.#exchanges.length === 0 && !this.#persists();
  }

  #standingBetween(): Standing {
    // Before the first exchange nothing shows that this is HTTP; after the last one the connection was to end anyhow.
    return this.#persists() ? { kind: 'between', started: this.#started.toString('latin1') } : stuck('');
  }

  #standingWithin(request: RequestHead, response: ResponseHead, started: string): Standing {
    const entity = promisedEntity(request, response);
    if (typeof entity === 'string') return stuck(entity);
    const position = this.#position(request, response);
    return { kind: 'interrupted', interrupted: { request, entity, position, started } };
  }

  #position(request: RequestHead, response: ResponseHead): Position {
    const chunked = responseFraming(request.method, response) === 'chunked';
    return { offset: this.offset, chunked, chunkLeft: (this.#rest ?? this.#responses).chunkLeft };
  }

  #persists(): boolean {
    const { request, response } = this.#last ?? {};
    return request !== undefined && response !== undefined && isPersistent(request, response);
  }

  #onRequest(text: string): Framing | undefined {
    // The same text again is not parsed again; but each exchange has a request of its own.
    const known = this.#last?.request;
    const request = known?.text === text ? { ...known } : parseRequestHead(text);
    if (request !== undefined) this.#exchanges.push({ request, response: undefined });
    return request === undefined ? undefined : requestFraming(request);
  }

  #onResponse(text: string): Framing | undefined {
    const known = this.#last?.response;
    const response = known?.text === text ? known : parseResponseHead(text);
    const exchange = this.#exchanges[0];
    if (response === undefined || exchange === undefined) return undefined;
    const { method } = exchange.request;
    const { status } = response;
    // What follows is another protocol.
    if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) return undefined;
    this.#interim = status < 200;
    if (!this.#interim) exchange.response = response;
    return responseFraming(method, response);
  }

  #onRest(bytes: Buffer): void {
    if (!this.#rest?.write(bytes)) this.broken ??= 'another instance sends more than was promised';
  }

  #onAnswered(): void {
    if (this.#interim) return;
    if (this.#rest?.finish() === false) {
      this.broken ??= 'another instance sends less than was promised';
      return;
    }
    this.#resumed = this.#rest !== undefined;
    this.#rest = undefined;
    this.#responses.onBody = undefined;
    this.#last = this.#exchanges.shift();
  }
}

function join(first: Buffer, second: Buffer): Buffer {
  return first.length === 0 ? second : Buffer.concat([first, second]);
}

function stuck(why: string): Standing {
  return { kind: 'stuck', why };
}
