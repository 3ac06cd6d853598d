// An application under remote control: reads commands as lines of JSON on stdin, answers each with one on stdout
// (tests/e2e/peer.ts is the other side). It uses only what the package exports, as any program would; what it does
// with datagrams is in peer-datagrams.ts. PEER_DRIVER in its environment holds the options of its driver as JSON.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import {
  connect,
  createDriver,
  createServer,
  type DriverOptions,
  type Server,
  type Socket,
  setDefaultDriver,
} from '../../../src/index.ts';
import { addToTally, createTally, makeContent, readTally, type Tally } from '../content.ts';
import { datagramCommands } from './peer-datagrams.ts';
import { moveCommands } from './peer-moves.ts';

/** What a server does with each connection. */
export type Mode =
  /** Sends back what comes. */
  | 'echo'
  /** Takes everything, then answers `{bytes, sha256}` and ends. */
  | 'hash'
  /** Sends `bytes` of content made from `seed`, ends. */
  | 'source'
  /** Sends `bytes` of content each 5 ms, for ever. */
  | 'drip'
  /** Sends its pid, ends. */
  | 'name'
  /** Reads and keeps the connection. */
  | 'hold';

interface Connection {
  readonly socket: Socket;
  readonly tally: Tally;
  error: (NodeJS.ErrnoException & { reason?: string }) | undefined;
  /** On the machine's clock, ms: the last data, the error. */
  dataAt: number;
  errorAt: number;
  ended: boolean;
  closed: boolean;
  /** Names of the events, in order: the state trace. */
  readonly trace: string[];
}

type Arguments = Record<string, never> & { [key: string]: unknown };

const servers: { server: Server; accepted: Connection[] }[] = [];
const connections: Connection[] = [];

const commands: Record<string, (args: Arguments) => unknown> = {
  listen,
  close: ({ server }) => closeServer(Number(server)),
  accepted: ({ server }) => servers[Number(server)]?.accepted.map(describe),
  connect: open,
  connectMany,
  connectTimed,
  send,
  drip: ({ connection, bytes }) => drip(at(connection).socket, Number(bytes), 1),
  end: ({ connection }) => void at(connection).socket.end(),
  destroy: ({ connection }) => void at(connection).socket.destroy(),
  reset: ({ connection }) => void at(connection).socket.resetAndDestroy(),
  /** What was accepted so far is told no more. */
  forget: ({ server }) => void servers[Number(server)]?.accepted.splice(0),
  /** One, or all. */
  abortAccepted: ({ server, index }) => {
    const { accepted = [] } = servers[Number(server)] ?? {};
    for (const { socket } of index === undefined ? accepted : accepted.slice(Number(index), Number(index) + 1))
      socket.resetAndDestroy();
  },
  pause: ({ connection }) => void at(connection).socket.pause(),
  resume: ({ connection }) => void at(connection).socket.resume(),
  exchange,
  received: ({ connection }) => finished(at(connection)),
  look: ({ connection }) => describe(at(connection)),
  apiOf: ({ connection }) => apiOf(at(connection).socket),
  memory,
  inspect: () => driver?.stack.inspect(),
  ...datagramCommands,
  ...moveCommands(({ connection, server, index }) => {
    const found = server === undefined ? at(connection) : servers[Number(server)]?.accepted[Number(index)];
    if (!found) throw new Error('no such connection');
    return found.socket;
  }),
};

let driver: ReturnType<typeof createDriver> | undefined;
setDefaultDriver(() => {
  driver = createDriver(JSON.parse(process.env['PEER_DRIVER'] ?? '{}') as DriverOptions);
  return driver;
});

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, command, args } = JSON.parse(line) as { id: number; command: string; args: Arguments };
  try {
    const answer = await commands[command]?.(args);
    print({ id, answer: answer ?? {} });
  } catch (error) {
    const { code, message, syscall, reason } = error as NodeJS.ErrnoException & { reason?: string };
    print({ id, error: { code, message, syscall, reason } });
  }
});
process.stdin.on('end', () => process.exit(0));
print({ ready: true });

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function listen(args: Arguments): Promise<{ server: number; address: unknown }> {
  const { service, mode, bytes, seed, allowHalfOpen, identity, insecure, ...options } = args as unknown as {
    service: string;
    mode: Mode;
    bytes?: number;
    seed?: number;
    allowHalfOpen?: boolean;
    identity?: string;
    insecure?: boolean;
  };
  const accepted: Connection[] = [];
  const halfOpen = allowHalfOpen ?? mode === 'hash';
  const server = createServer({ allowHalfOpen: halfOpen, identity, insecure }, (socket) => {
    const connection = keep(socket, accepted);
    serveConnection(connection, mode, bytes ?? 0, seed ?? 1).catch((error: Error) => socket.destroy(error));
  });
  server.listen({ service, ...options });
  await once(server, 'listening');
  servers.push({ server, accepted });
  return { server: servers.length - 1, address: server.address() };
}

async function serveConnection(connection: Connection, mode: Mode, bytes: number, seed: number): Promise<void> {
  const { socket } = connection;
  if (mode === 'echo') socket.pipe(socket);
  else if (mode === 'source') {
    socket.resume();
    await pump(socket, bytes, seed);
    socket.end();
  } else if (mode === 'drip') {
    drip(socket.resume(), bytes, seed);
  } else if (mode === 'name') socket.resume().end(`${process.pid}`);
  else {
    socket.resume();
    if (mode === 'hash') socket.once('end', () => socket.end(JSON.stringify(readTally(connection.tally))));
  }
}

function drip(socket: Socket, bytes: number, seed: number): void {
  const [block = ''] = makeContent(bytes, seed);
  const timer = setInterval(() => socket.write(block), 5);
  socket.once('close', () => clearInterval(timer));
}

function keep(socket: Socket, list: Connection[]): Connection {
  const connection: Connection = {
    socket,
    tally: createTally(),
    error: undefined,
    dataAt: 0,
    errorAt: 0,
    ended: false,
    closed: false,
    trace: [],
  };
  list.push(connection);
  const note = (name: string): void => void connection.trace.push(name);
  socket.on('data', (chunk: Buffer) => {
    connection.dataAt = performance.timeOrigin + performance.now();
    addToTally(connection.tally, chunk);
  });
  socket.on('connect', () => note('connect'));
  socket.on('finish', () => note('finish'));
  socket.on('end', () => {
    connection.ended = true;
    note('end');
  });
  socket.on('error', (error) => {
    connection.error = error;
    connection.errorAt = performance.timeOrigin + performance.now();
    note('error');
  });
  socket.on('close', () => {
    connection.closed = true;
    note('close');
  });
  return connection;
}

async function open({ service, ...options }: Arguments): Promise<{ connection: number; remoteService: unknown }> {
  const socket = connect({ service: String(service), ...options });
  const connection = keep(socket, connections);
  await once(socket, 'connect');
  return { connection: connections.indexOf(connection), remoteService: socket.remoteService };
}

/** Opens `count` connections, `inFlight` at a time; with `hold` they stay, otherwise each is read to its end. */
async function connectMany(args: Arguments): Promise<unknown> {
  const { service, count, inFlight, hold } = args as unknown as {
    service: string;
    count: number;
    inFlight: number;
    hold?: boolean;
  };
  const replies: Record<string, number> = {};
  const failures: Record<string, number> = {};
  let started = 0;
  const one = async (): Promise<void> => {
    while (started < count) {
      started++;
      try {
        const socket = connect(service);
        if (hold) {
          keep(socket, connections);
          await once(socket, 'connect');
          continue;
        }
        let text = '';
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        await once(socket, 'close');
        replies[text] = (replies[text] ?? 0) + 1;
      } catch (error) {
        const { code = 'unknown' } = error as NodeJS.ErrnoException;
        failures[code] = (failures[code] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return { replies, failures, open: connections.filter(({ closed }) => !closed).length };
}

/** Opens `count` connections at once; answers how long each took, ms. One that fails took forever. */
function connectTimed({ service, count }: Arguments): Promise<number[]> {
  const one = async (): Promise<number> => {
    const from = performance.now();
    const socket = connect(String(service));
    try {
      await once(socket, 'connect');
      return Math.round(performance.now() - from);
    } catch {
      return Number.MAX_SAFE_INTEGER;
    } finally {
      socket.destroy();
    }
  };
  return Promise.all(Array.from({ length: Number(count) }, one));
}

async function send({ connection, bytes, seed, end }: Arguments): Promise<unknown> {
  const { socket } = at(connection);
  await pump(socket, Number(bytes), Number(seed ?? 1));
  if (end) socket.end();
  return {};
}

/** With back-pressure; fails when the socket does. */
async function pump(socket: Socket, bytes: number, seed: number): Promise<void> {
  for (const block of makeContent(bytes, seed)) {
    if (socket.destroyed) throw socket.errored ?? new Error('closed while sending');
    if (!socket.write(block)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
}

async function exchange({ connection, text }: Arguments): Promise<{ text: string }> {
  const { socket } = at(connection);
  let answer = '';
  const whole = new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      answer += chunk.toString();
      if (answer.length < String(text).length) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
    socket.once('close', () => reject(new Error('closed before the answer')));
  });
  socket.write(String(text));
  await whole;
  return { text: answer };
}

/** When the peer has ended or the connection failed. */
async function finished(connection: Connection): Promise<unknown> {
  const { socket } = connection;
  while (!connection.ended && !connection.closed)
    await new Promise<void>((resolve) => {
      socket.once('end', resolve);
      socket.once('close', () => resolve());
    });
  return describe(connection);
}

function describe({ socket, tally, error, ...seen }: Connection): unknown {
  const { remoteService, localService, readyState } = socket;
  const names = { remoteService, localService, readyState };
  return { ...readTally(tally), ...seen, ...names, error: error?.code, reason: error?.reason };
}

/** Every property of the socket that holds text or a number, however it is inherited: where an address would show. */
function apiOf(socket: Socket): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (let level: object = socket; level !== Object.prototype; level = Object.getPrototypeOf(level) as object) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (name.startsWith('_') || name in values) continue;
      const value = (socket as unknown as Record<string, unknown>)[name];
      if (typeof value === 'string' || typeof value === 'number') values[name] = value;
    }
  }
  return { ...values, remoteAddress: socket.remoteAddress ?? null, address: socket.address() };
}

/** After a collection. `live` is what V8 holds on to, `resident` also what the allocator keeps for later. */
function memory(): { resident: number; live: number } {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, live: heapUsed + external };
}

function at(index: unknown): Connection {
  const found = connections[Number(index)];
  if (!found) throw new Error(`no connection ${index}`);
  return found;
}

async function closeServer(index: number): Promise<void> {
  await new Promise<void>((resolve) => {
    servers[index]?.server.close();
    // The name is free as soon as the listener is gone; accepted connections may go on.
    setImmediate(resolve);
  });
}
