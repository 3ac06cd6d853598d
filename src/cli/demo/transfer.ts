// One file that the demo's client fetches: counted and hashed as it comes, and the time between two chunks watched while
// the connection moves or goes on at another instance.

import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import type { Agent, Socket } from '../../index.ts';
import type { ClientReport, UnderWay } from './report.ts';

export interface TransferListener {
  onBytes(count: number): void;
  /** The answer has gone on at another instance. */
  onResumed(pauseMs: number, asked: boolean): void;
}

export class Transfer implements UnderWay {
  readonly name: string;
  instance = '';
  bytes = 0;
  readonly #listener: TransferListener;
  readonly #hash = createHash('sha256');
  #socket: Socket | undefined;
  #lastMs = 0;
  /** Why the next chunk's delay is of interest. */
  #resumed: { readonly asked: boolean } | undefined;
  /** The longest delay since a move began, and who waits for the next chunk or the end. */
  #longestMs = 0;
  #onChunk: (() => void) | undefined;

  constructor(name: string, listener: TransferListener) {
    this.name = name;
    this.#listener = listener;
  }

  async run(service: string, agent: Agent): Promise<ClientReport> {
    const response = await requestFile(service, this.name, agent);
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    this.instance = String(response.headers['x-served-by']);
    this.#socket = response.socket as unknown as Socket;
    this.#socket.on('resumed', ({ reason }: { reason: string }) => {
      this.#resumed = { asked: reason === 'shed' };
    });
    this.#lastMs = performance.now();
    for await (const chunk of response as AsyncIterable<Uint8Array>) this.#take(chunk);
    this.#socket = undefined;
    this.#onChunk?.();
    const { name, instance, bytes } = this;
    return { kind: 'file', name, instance, bytes, sha256: this.#hash.digest('hex'), etag: response.headers.etag ?? '' };
  }

  /** Moves the connection to another local address; answers the longest pause, or undefined if the file was there first. */
  async move(address: string): Promise<number | undefined> {
    if (this.#socket === undefined) return undefined;
    this.#longestMs = 0;
    await this.#socket.migrate({ address });
    await new Promise<void>((resolve) => {
      this.#onChunk = resolve;
      if (this.#socket === undefined) resolve();
    });
    return this.#socket === undefined ? undefined : this.#longestMs;
  }

  #take(chunk: Uint8Array): void {
    const nowMs = performance.now();
    const pauseMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    this.#hash.update(chunk);
    this.bytes += chunk.length;
    this.#listener.onBytes(chunk.length);
    this.#longestMs = Math.max(this.#longestMs, pauseMs);
    this.#onChunk?.();
    if (this.#resumed !== undefined) this.#listener.onResumed(pauseMs, this.#resumed.asked);
    this.#resumed = undefined;
  }
}

function requestFile(service: string, name: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = get({ host: `${service}.svc`, path: `/${name}`, agent }, resolve);
    outgoing.once('error', reject);
  });
}
