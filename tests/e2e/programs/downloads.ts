// Many downloads that are under way for long: `downloads SERVICE FILE COUNT`. Each compares every byte with FILE, and when
// its instance asks it to go on elsewhere dials another one and goes on there by a range request; the old connection is let
// go when the new answer has come. Prints a line of JSON when all are active, one with the times when 80% and all have moved,
// and after a line on stdin, when the first ten were read to their end, one with what is wrong.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect, type Socket } from '../../../src/index.ts';

const [service = '', file = '', count = '1'] = process.argv.slice(2);
const expected = readFileSync(file);
const readToTheEnd = 10;

class Download {
  received = 0;
  label = '';
  shedMs = 0;
  movedMs = 0;
  #socket: Socket | undefined;

  /** Resolves when the head of the answer is there. */
  async start(avoid?: Socket): Promise<void> {
    const from = this.received;
    const socket = connect({ service, failover: true, ...(avoid === undefined ? {} : { avoid }) });
    socket.on('error', (error) => this.#fail(error.message, socket)).once('shed', () => this.#move(socket));
    const range = from === 0 ? '' : `Range: bytes=${from}-\r\n`;
    socket.write(`GET /file HTTP/1.1\r\nHost: ${service}.svc\r\n${range}\r\n`);
    const head = await readHead(socket);
    const label = /^x-served-by: (.*)$/im.exec(head)?.[1] ?? '';
    if (!head.startsWith(from === 0 ? 'HTTP/1.1 200' : 'HTTP/1.1 206')) this.#fail(head, socket);
    if (avoid !== undefined && label === this.label) this.#fail(`moved to ${label}, where it was`, socket);
    this.label = label;
    this.#socket?.destroy();
    this.#socket = socket;
    // What the old connection has brought meanwhile comes a second time.
    let skip = this.received - from;
    socket.on('data', (bytes: Buffer) => {
      const fresh = bytes.subarray(skip);
      skip -= bytes.length - fresh.length;
      this.#take(fresh);
    });
  }

  destroy(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async finish(): Promise<void> {
    while (this.received < expected.length && this.#socket?.destroyed === false) await once(this.#socket, 'data');
    if (this.received !== expected.length) failures.push(`${this.received} of ${expected.length} bytes`);
    this.destroy();
  }

  #fail(message: string, socket: Socket): void {
    if (socket === this.#socket || this.#socket === undefined) failures.push(message);
  }

  async #move(from: Socket): Promise<void> {
    this.shedMs = performance.now();
    // Nobody else answers in time: the old connection is as good as before, and there is no hurry.
    while (
      !(await this.start(from).then(
        () => true,
        () => false,
      ))
    );
    this.movedMs = performance.now();
    reportMoves();
  }

  #take(bytes: Buffer): void {
    if (!expected.subarray(this.received, this.received + bytes.length).equals(bytes))
      failures.push(`wrong bytes at ${this.received}`);
    this.received += bytes.length;
  }
}

/** Up to the empty line; the rest is given back to the socket. */
async function readHead(socket: Socket): Promise<string> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    await once(socket, 'readable');
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1) continue;
    socket.unshift(bytes.subarray(end + 4));
    return bytes.toString('latin1', 0, end);
  }
}

function reportMoves(): void {
  const moved = downloads.filter(({ movedMs }) => movedMs > 0);
  if (moved.length < downloads.length) return;
  const startMs = Math.min(...moved.map(({ shedMs }) => shedMs));
  const times = moved.map(({ movedMs }) => Math.round(movedMs - startMs)).sort((a, b) => a - b);
  print({ moved: moved.length, ms80: times[Math.ceil(0.8 * times.length) - 1], msAll: times.at(-1), labels: labels() });
}

function labels(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { label } of downloads) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const failures: string[] = [];
const downloads = Array.from({ length: Number(count) }, () => new Download());
const startedMs = performance.now();
await Promise.all(downloads.map((download) => download.start()));
print({ active: downloads.length, openMs: Math.round(performance.now() - startedMs), labels: labels() });
await once(createInterface({ input: process.stdin }), 'line');
const [whole, rest] = [downloads.slice(0, readToTheEnd), downloads.slice(readToTheEnd)];
for (const download of rest) download.destroy();
await Promise.all(whole.map((download) => download.finish()));
print({ whole: whole.length, failures });
process.exit(0);
