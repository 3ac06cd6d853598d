// Bulk throughput of one connection, from server to client: the client counts the bytes that its 'data' events bring
// in the measured time. Chunks of 256 KiB: at that size `net` is at its best here, so the comparison is with that.

import { type Bench, connectionTransports, figureOfEach, medianFigure } from './bench.ts';
import type { Connection } from './transport.ts';

const chunkBytes = 256 * 1024;
const warmUpMs = 700;

export const stream: Bench = {
  unit: 'Gbit/s',
  ...connectionTransports,

  server(transport) {
    const chunk = Buffer.alloc(chunkBytes, 'caracal');
    return transport.listen((connection) => {
      connection.on('error', () => {});
      fill(connection, chunk);
      connection.on('drain', () => fill(connection, chunk));
    });
  },

  async client(transport, address, { seconds }) {
    const connection = transport.connect(address);
    let bytes = 0;
    connection.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await sleep(Math.min(warmUpMs, seconds * 1000), connection);
    const from = { bytes, at: process.hrtime.bigint(), cpu: process.cpuUsage() };
    await sleep(seconds * 1000, connection);
    const elapsedNs = Number(process.hrtime.bigint() - from.at);
    const { user, system } = process.cpuUsage(from.cpu);
    connection.destroy();
    return {
      value: ((bytes - from.bytes) * 8) / elapsedNs,
      figures: { receiverCpu: ((user + system) * 1000) / elapsedNs },
    };
  },

  figures: (samples) => ({
    chunkBytes,
    ...figureOfEach('receiverCpu', samples, (list) => medianFigure(list, 'receiverCpu')),
  }),
};

function fill(connection: Connection, chunk: Buffer): void {
  while (!connection.destroyed && connection.write(chunk));
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
