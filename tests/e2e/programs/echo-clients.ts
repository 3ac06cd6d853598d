// Clients of an echo service that know nothing of handing over. Each sends a stream of its own, so much ahead of what comes back, and
// compares every byte that does. Prints `open`, at each line on standard input what there is so far, and at `end` ends
// every stream, waits for all of it to come back, and prints how it went.

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { connect, type Socket } from '../../../src/index.ts';

const [service = 'echo', countText = '1', aheadText = '65536', pieceText = '1000'] = process.argv.slice(2);
const [count, ahead, pieceBytes] = [Number(countText), Number(aheadText), Number(pieceText)];

class Client {
  sentBytes = 0;
  receivedBytes = 0;
  wrong = false;
  ended = false;
  error: string | undefined;
  lastMs = 0;
  longestMs = 0;
  readonly done: Promise<void>;
  readonly #pattern: Buffer;
  readonly #socket: Socket;
  #ending = false;

  constructor(number: number, onOpen: () => void) {
    // Of a length that no piece, record or packet divides.
    this.#pattern = Buffer.alloc(10_007, createHash('sha512').update(`client ${number}`).digest());
    this.#socket = connect({ service, allowHalfOpen: true }, () => {
      this.lastMs = performance.now();
      this.#fill();
      onOpen();
    });
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#socket.on('end', () => {
      this.ended = true;
    });
    this.#socket.on('error', (error) => {
      this.error = error.message;
    });
    this.done = new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  end(): void {
    this.#ending = true;
    this.#socket.end();
  }

  #take(bytes: Buffer): void {
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.wrong ||= !this.#at(this.receivedBytes, bytes.length).equals(bytes);
    this.receivedBytes += bytes.length;
    this.#fill();
  }

  #fill(): void {
    while (!this.#ending && this.sentBytes - this.receivedBytes < ahead) {
      this.#socket.write(this.#at(this.sentBytes, pieceBytes));
      this.sentBytes += pieceBytes;
    }
  }

  #at(offset: number, bytes: number): Buffer {
    const from = offset % this.#pattern.length;
    if (from + bytes <= this.#pattern.length) return this.#pattern.subarray(from, from + bytes);
    const head = this.#pattern.subarray(from);
    return Buffer.concat([head, this.#at(offset + head.length, bytes - head.length)]);
  }
}

let open = 0;
const clients = Array.from({ length: count }, (_, i) => new Client(i, () => ++open === count && console.log('open')));

function report(): void {
  const whole = clients.filter((client) => client.ended && !client.wrong && client.sentBytes === client.receivedBytes);
  console.log(
    JSON.stringify({
      whole: whole.length,
      wrong: clients.filter(({ wrong }) => wrong).length,
      errors: clients.flatMap(({ error }) => error ?? []),
      bytes: clients.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
      longestMs: Math.max(...clients.map(({ longestMs }) => longestMs)),
    }),
  );
}

createInterface({ input: process.stdin }).on('line', async (command) => {
  if (command === 'end') {
    for (const client of clients) client.end();
    await Promise.all(clients.map(({ done }) => done));
  }
  report();
});
