// What is counted: fixed pieces of work over a pair of stacks (pair.ts), the same in every run. A lap is one piece of
// work, and its costs are given per unit: megabyte of a bulk transfer, round trip, connection. The streams are driven by
// inputs and events of the stack, as the sockets layer does it; `sockets` puts that layer and Node's streams on top.

import { seededRandom } from '../../src/core/base/index.ts';
import { labelServiceId } from '../../src/core/security/index.ts';
import { type Event, Protocol, type SocketId } from '../../src/core/stack/index.ts';
import { connect, createServer } from '../../src/index.ts';
import { createPair, type End, type Pair, type PairOptions } from './pair.ts';

export interface World {
  readonly pair: Pair;
  /** Does one lap and calls back with how many units that was. */
  lap(done: (units: number) => void): void;
}

export interface Scenario {
  readonly unit: string;
  /** Until V8 compiles no more, and until windows and path MTU have settled. */
  readonly warmUpLaps: number;
  open(crypto: Crypto): World;
}

type Crypto = Omit<PairOptions['primitives'], 'random'>;

const chunk = new Uint8Array(256 * 1024).fill(7);
const lapBytes = 8 << 20;
const megabyte = 1e6;
const roundTrips = 500;
const messageBytes = 64;
const connections = 50;
const plenty = 2 ** 50;
const name = 'guard';

export const scenarios: Readonly<Record<string, Scenario>> = {
  stream: { unit: 'MB', warmUpLaps: 32, open: (crypto) => openStream(crypto, false) },
  'stream-clear': { unit: 'MB', warmUpLaps: 32, open: (crypto) => openStream(crypto, true) },
  sockets: { unit: 'MB', warmUpLaps: 32, open: openSockets },
  echo: { unit: 'round trip', warmUpLaps: 32, open: openEcho },
  connect: { unit: 'connection', warmUpLaps: 16, open: openConnections },
};

/** Its draws are the same in every run. */
function openPair(crypto: Crypto): Pair {
  const make = (seed: number): PairOptions => ({ primitives: { ...crypto, random: seededRandom(seed) } });
  return createPair({ client: make(1), server: make(2) });
}

function openStream(crypto: Crypto, insecure: boolean): World {
  const pair = openPair(crypto);
  const { client, server } = pair;
  let received = 0;
  listen(pair, crypto, insecure, (connection) => {
    const fill = makeFill(server, connection);
    server.attach(connection, ({ kind }) => kind === 'writable' && fill());
    fill();
  });
  dial(client, crypto, insecure, (event) => {
    if (event.kind === 'data') received += event.bytes.length;
  });
  return {
    pair,
    lap(done) {
      const from = received;
      while (received < from + lapBytes) pair.step();
      done((received - from) / megabyte);
    },
  };
}

/** Writes until the stack takes no more, and goes on there at the next call. */
function makeFill(end: End, socket: SocketId): () => void {
  let offset = 0;
  return () => {
    for (;;) {
      offset += end.handle({ kind: 'write', socket, bytes: chunk, offset });
      if (offset < chunk.length) return;
      offset = 0;
    }
  };
}

function openEcho(crypto: Crypto): World {
  const pair = openPair(crypto);
  const { client, server } = pair;
  const message = chunk.subarray(0, messageBytes);
  let echoes = 0;
  listen(pair, crypto, false, (socket) => {
    server.handle({ kind: 'read', socket, bytes: plenty });
    server.attach(socket, (event) => {
      if (event.kind === 'data') server.handle({ kind: 'write', socket, bytes: event.bytes, offset: 0 });
    });
  });
  const ask = (): void => void client.handle({ kind: 'write', socket, bytes: message, offset: 0 });
  const socket = dial(client, crypto, false, ({ kind }) => {
    if (kind === 'data') echoes++;
    if (kind === 'data' || kind === 'connected') ask();
  });
  return {
    pair,
    lap(done) {
      const from = echoes;
      while (echoes < from + roundTrips) pair.step();
      done(echoes - from);
    },
  };
}

/** One after another: opened, ended from both sides, gone from both. */
function openConnections(crypto: Crypto): World {
  const pair = openPair(crypto);
  const { client, server } = pair;
  listen(pair, crypto, false, (socket) => {
    server.handle({ kind: 'read', socket, bytes: plenty });
    server.attach(socket, ({ kind }) => kind === 'end' && server.handle({ kind: 'end', socket }));
  });
  const one = (): void => {
    let open = true;
    const socket = dial(client, crypto, false, ({ kind }) => {
      if (kind === 'connected') client.handle({ kind: 'end', socket });
      if (kind === 'closed') open = false;
    });
    while (open) pair.step();
  };
  return {
    pair,
    lap(done) {
      for (let i = 0; i < connections; i++) one();
      done(connections);
    },
  };
}

/** Answers once the name is bound. */
function listen(pair: Pair, crypto: Crypto, insecure: boolean, accept: (connection: SocketId) => void): void {
  const { server } = pair;
  const service = labelServiceId(crypto, name);
  const security = { insecure };
  const socket = server.handle({ kind: 'listen', service, bits: 256, protocol: Protocol.TCP, security });
  let bound = false;
  server.attach(socket, (event) => {
    if (event.kind === 'listening') bound = true;
    if (event.kind === 'connection') accept(event.connection);
  });
  while (!bound) pair.step();
}

function dial(end: End, crypto: Crypto, insecure: boolean, listener: (event: Event) => void): SocketId {
  const service = labelServiceId(crypto, name);
  const socket = end.handle({ kind: 'connect', service, protocol: Protocol.TCP, security: { insecure } });
  end.handle({ kind: 'read', socket, bytes: plenty });
  end.attach(socket, listener);
  return socket;
}

function openSockets(crypto: Crypto): World {
  const pair = openPair(crypto);
  let received = 0;
  const server = createServer({ driver: pair.server }, (socket) => {
    const fill = (): void => {
      while (socket.write(chunk));
    };
    socket.on('drain', fill);
    fill();
  });
  server.listen(name, () => {
    const socket = connect({ service: name, driver: pair.client });
    socket.on('data', (bytes: Uint8Array) => {
      received += bytes.length;
    });
  });
  return {
    pair,
    lap(done) {
      const from = received;
      const turn = (): void => {
        pair.step();
        if (received < from + lapBytes) setImmediate(turn);
        else done((received - from) / megabyte);
      };
      turn();
    },
  };
}
