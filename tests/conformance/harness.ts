// How cases are written: a name, a body that is given an implementation. The runner turns each into a test per
// implementation and closes what a case opened, so that a failing case cannot hold up the next.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import type {
  Address,
  AnyServer,
  AnyServerOptions,
  AnySocket,
  AnySocketOptions,
  Implementation,
} from './implementation.ts';

/** What a case uses: the implementation, with everything it opens closed after the case. */
export interface Bench {
  readonly implementation: Implementation;
  /** A listening server; its connections' errors are not uncaught ones. */
  listen(onConnection: (socket: AnySocket) => void, options?: AnyServerOptions): Promise<Listening>;
  connect(address: Address, options?: AnySocketOptions, listener?: () => void): AnySocket;
  /** Both ends of one open connection. */
  pair(options?: { client?: AnySocketOptions; server?: AnyServerOptions }): Promise<Pair>;
  /** Called after the case. */
  after(close: () => unknown): void;
}

export interface Listening {
  readonly server: AnyServer;
  readonly address: Address;
}

export interface Pair extends Listening {
  readonly client: AnySocket;
  readonly remote: AnySocket;
}

export interface Case {
  readonly title: string;
  readonly timeoutMs?: number;
  run(bench: Bench): Promise<void>;
}

export function runCases(implementation: Implementation, cases: readonly Case[]): void {
  for (const { title, run, timeoutMs = 20_000 } of cases) {
    const skip = implementation.skips.get(title);
    test(`${implementation.name}: ${title}`, { timeout: timeoutMs, ...(skip ? { skip } : {}) }, async () => {
      const closers: (() => unknown)[] = [];
      try {
        await run(createBench(implementation, closers));
      } finally {
        for (const close of closers.reverse()) await close();
      }
    });
  }
}

function createBench(implementation: Implementation, closers: (() => unknown)[]): Bench {
  const bench: Bench = {
    implementation,
    async listen(onConnection, options = {}) {
      const server = implementation.createServer(options, (socket) => {
        socket.on('error', () => {});
        closers.push(() => socket.destroy());
        onConnection(socket);
      });
      const address = await implementation.freeAddress();
      implementation.listen(server, address);
      await once(server, 'listening');
      closers.push(() => server.close());
      return { server, address };
    },
    connect(address, options, listener) {
      const socket = implementation.connect(address, options, listener);
      closers.push(() => socket.destroy());
      return socket;
    },
    async pair(options = {}) {
      const accepted = new Promise<AnySocket>((resolve) => {
        listening = bench.listen(resolve, options.server);
      });
      const { server, address } = await listening!;
      const client = bench.connect(address, options.client);
      const [remote] = await Promise.all([accepted, once(client, 'connect')]);
      return { server, address, client, remote };
    },
    after(close) {
      closers.push(close);
    },
  };
  let listening: Promise<Listening> | undefined;
  return bench;
}

/** By events: an async iterator would destroy the stream at its end, and with it the other direction. */
export function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('closed before its end')));
  });
}

/** Consumes without keeping; answers when the peer has ended. */
export async function hashAll(stream: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  await once(stream, 'end');
  return { bytes, sha256: hash.digest('hex') };
}

/** Bytes that differ everywhere, the same for the same length. */
export function content(bytes: number): Buffer {
  const block = Buffer.allocUnsafe(bytes);
  let state = 0x2545f491;
  for (let i = 0; i < bytes; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block[i] = state & 0xff;
  }
  return block;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lets every event that is due happen: the turn of the loop, many times. */
export async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** The names of events in the order in which they come. */
export function trace(socket: AnySocket, names: readonly string[]): string[] {
  const seen: string[] = [];
  for (const name of names) socket.on(name, () => seen.push(name));
  return seen;
}
