// Bulk throughput of one connection, from server to client: the client counts the bytes that its 'data' events bring
// in the measured time. Chunks of 256 KiB: at that size `net` is at its best here, so the comparison is with that.
// Throughput of two processes on two cores is also a matter of who gets them; what a gigabyte costs both ends in
// processor time is not. The client therefore says when it begins and what it counted, and the server adds its own cost.
// What is left on the heap of each end by a gigabyte, once collected, shows that nothing is kept per packet.

import { type Bench, connectionTransports, medianFigures } from './bench.ts';
import { startUsage, type Usage } from './meter.ts';
import { missingPeer, peerNames } from './peers.ts';
import type { Connection } from './transport.ts';

const chunkBytes = 256 * 1024;
const warmUpMs = 700;
const writesPerTurn = 1000;
/** A path with losses is known after some of them, and after a number of its round trips. */
const impairedWarmUpMs = 2000;
const warmUpRoundTrips = 20;
/** Such a path is measured in Mbit/s. */
const mega = 1000;

interface Count extends EndUsage {
  readonly bytes: number;
}

export const stream: Bench = {
  unit: 'Gbit/s',
  ...connectionTransports,
  peers: peerNames,
  ratios: [
    ...connectionTransports.ratios,
    ...peerNames.flatMap((peer) => [['caracal-insecure', peer] as const, [peer, 'net'] as const]),
  ],
  missing: missingPeer,

  server(transport, { path, at = chunkBytes }, report) {
    const chunk = Buffer.alloc(at, 'caracal');
    return transport.listen((connection) => {
      connection.on('error', () => {});
      fill(connection, chunk);
      connection.on('drain', () => fill(connection, chunk));
      let measured = startMeasure();
      let said = '';
      connection.on('data', (text: Buffer) => {
        said += text.toString();
        if (said === 'begin\n') measured = startMeasure();
        const count = /^begin\n(.*)\n/.exec(said)?.[1];
        if (count !== undefined) report(compose(JSON.parse(count) as Count, measured(), path === undefined ? 1 : mega));
      });
    });
  },

  async client(transport, address, { seconds, path }) {
    const connection = transport.connect(address);
    let bytes = 0;
    connection.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    const settledMs = path === undefined ? warmUpMs : impairedWarmUpMs + warmUpRoundTrips * path.rttMs;
    await sleep(Math.min(settledMs, seconds * 1000), connection);
    connection.write('begin\n');
    const from = bytes;
    const measured = startMeasure();
    await sleep(seconds * 1000, connection);
    const count: Count = { bytes: bytes - from, ...measured() };
    connection.write(`${JSON.stringify(count)}\n`);
    return undefined;
  },

  figures: (samples, { at = chunkBytes }) => ({
    chunkBytes: at,
    ...medianFigures(['receiverCpu', 'senderCpu', 'cpuSecondsPerGB', 'receiverHeapPerGB', 'senderHeapPerGB'], samples),
  }),
};

function compose(client: Count, server: EndUsage, scale: number): { value: number; figures: Record<string, number> } {
  return {
    value: (scale * client.bytes * 8) / client.elapsedNs,
    figures: {
      receiverCpu: client.cpuNs / client.elapsedNs,
      senderCpu: server.cpuNs / server.elapsedNs,
      cpuSecondsPerGB: (client.cpuNs + server.cpuNs) / client.bytes,
      receiverHeapPerGB: (client.heapBytes * 1e9) / client.bytes,
      senderHeapPerGB: (server.heapBytes * 1e9) / client.bytes,
    },
  };
}

interface EndUsage extends Usage {
  /** Of V8's heap, after a collection each. */
  readonly heapBytes: number;
}

function startMeasure(): () => EndUsage {
  const heap = liveHeapBytes();
  const used = startUsage();
  return () => ({ ...used(), heapBytes: liveHeapBytes() - heap });
}

/** `run.ts` lets the collector be called. */
function liveHeapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Until it is full. Small writes may never fill a transport that hands them to the kernel one by one: others get a turn. */
function fill(connection: Connection, chunk: Buffer): void {
  for (let i = 0; i < writesPerTurn; i++) if (connection.destroyed || !connection.write(chunk)) return;
  setImmediate(fill, connection, chunk);
}

/** Fails if the connection does, instead of measuring silence. */
function sleep(ms: number, connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      connection.off('error', fail);
      resolve();
    }, ms);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    connection.once('error', fail);
  });
}
