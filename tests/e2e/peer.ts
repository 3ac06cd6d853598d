// The test's side of programs/peer.ts: an application in a process of its own, that does what it is told and tells
// what it saw.

import { createServer, type Socket } from 'node:net';
import type { StackInfo } from '../../src/core/stack/index.ts';
import type { Path } from '../../src/index.ts';
import type { Child, Stage, StartOptions } from './harness.ts';
import type { Mode } from './programs/peer.ts';

export interface Look {
  readonly bytes: number;
  readonly sha256: string;
  readonly error?: string;
  readonly reason?: string;
  readonly dataAt: number;
  readonly errorAt: number;
  readonly ended: boolean;
  readonly closed: boolean;
  readonly trace: readonly string[];
  readonly remoteService?: string;
  readonly localService?: string;
  readonly readyState: string;
}

export interface ListenOptions {
  readonly bytes?: number;
  readonly seed?: number;
  readonly bits?: number;
  readonly weight?: number;
  readonly priority?: number;
  readonly allowHalfOpen?: boolean;
  readonly backlog?: number;
  /** Path of the instance key. */
  readonly identity?: string;
  readonly insecure?: boolean;
}

export interface Many {
  readonly replies: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly open: number;
}

/** What a connection has shown since `watch`. */
export interface Watched {
  /** Longest time between two arrivals of bytes. */
  readonly longestMs: number;
  readonly bytes: number;
  readonly ms: number;
  /** 'migrate' events, since the first `watch`. */
  readonly moves: number;
}

/** What a command failed with, as the application saw it. */
export class PeerError extends Error {
  readonly code: string | undefined;
  readonly reason: string | undefined;

  constructor({ code, message, reason }: { code?: string; message: string; reason?: string }) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

const defaultDeadlineMs = 30_000;

export class Peer {
  readonly child: Child;
  private nextId = 0;
  private read = 0;
  private readonly answers = new Map<number, { answer?: unknown; error?: { message: string } }>();

  private constructor(child: Child) {
    this.child = child;
  }

  static async start(stage: Stage, options: StartOptions = {}): Promise<Peer> {
    const child = stage.program('peer', [], { nodeArgs: ['--expose-gc'], ...options });
    await child.line(/^\{"ready":true\}$/m);
    return new Peer(child);
  }

  get pid(): number {
    return this.child.pid;
  }

  async call<T>(command: string, args: object = {}, deadlineMs = defaultDeadlineMs): Promise<T> {
    const id = this.nextId++;
    this.child.write(`${JSON.stringify({ id, command, args })}\n`);
    const { answer, error } = await this.child.printed(`an answer to ${command}`, () => this.answerTo(id), deadlineMs);
    this.answers.delete(id);
    if (error) throw new PeerError(error);
    return answer as T;
  }

  private answerTo(id: number): { answer?: unknown; error?: { message: string } } | undefined {
    this.takeAnswers();
    return this.answers.get(id);
  }

  private takeAnswers(): void {
    const end = this.child.stdout.lastIndexOf('\n') + 1;
    for (const line of this.child.stdout.slice(this.read, end).split('\n')) {
      if (!line.startsWith('{"id":')) continue;
      const { id, ...rest } = JSON.parse(line) as { id: number };
      this.answers.set(id, rest);
    }
    this.read = end;
  }

  listen(
    service: string,
    mode: Mode,
    options: ListenOptions = {},
  ): Promise<{ server: number; address: { id: string; registered: boolean } }> {
    return this.call('listen', { service, mode, ...options });
  }

  close(server: number): Promise<void> {
    return this.call('close', { server });
  }

  accepted(server: number): Promise<Look[]> {
    return this.call('accepted', { server });
  }

  async connect(service: string, options: object = {}): Promise<number> {
    const { connection } = await this.call<{ connection: number }>('connect', { service, ...options });
    return connection;
  }

  connectMany(service: string, count: number, inFlight: number, hold = false, deadlineMs = 120_000): Promise<Many> {
    return this.call('connectMany', { service, count, inFlight, hold }, deadlineMs);
  }

  /** Resolves when the last byte is handed to the socket. */
  send(connection: number, bytes: number, seed: number, end = true, deadlineMs = 120_000): Promise<void> {
    return this.call('send', { connection, bytes, seed, end }, deadlineMs);
  }

  async exchange(connection: number, text: string, deadlineMs = defaultDeadlineMs): Promise<string> {
    return (await this.call<{ text: string }>('exchange', { connection, text }, deadlineMs)).text;
  }

  /** When the other side has ended, or the connection failed. */
  received(connection: number, deadlineMs = 120_000): Promise<Look> {
    return this.call('received', { connection }, deadlineMs);
  }

  look(connection: number): Promise<Look> {
    return this.call('look', { connection });
  }

  /** Resolves once the other end knows; answers how long that took. `to`: an address or an interface. */
  migrate(connection: number, to: object = {}): Promise<{ ms: number }> {
    return this.call('migrate', { connection, to });
  }

  watch(connection: number): Promise<void> {
    return this.call('watch', { connection });
  }

  watched(connection: number): Promise<Watched> {
    return this.call('watched', { connection });
  }

  paths(connection: number): Promise<Path[]> {
    return this.call('paths', { connection });
  }

  /** `STATE INTERFACE` of each 'path' event since `watch`. */
  pathEvents(connection: number): Promise<string[]> {
    return this.call('pathEvents', { connection });
  }

  /** Its whole stack: flows, counters. */
  inspect(): Promise<StackInfo> {
    return this.call('inspect');
  }

  /** Bytes, after a collection. */
  memory(): Promise<{ resident: number; live: number }> {
    return this.call('memory');
  }
}

/** A TCP server that echoes, for what stands behind `expose`. */
export function tcpEcho(
  onConnection: (socket: Socket) => void = (socket) => void socket.pipe(socket),
): Promise<{ port: number; close(): void }> {
  const server = createServer(onConnection);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      resolve({ port, close: () => server.close() });
    });
  });
}
