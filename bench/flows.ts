// What a message costs when many flows are open and few of them have work: so many connections of one client to one server,
// 16 of which echo a KiB after another. Processor time of both ends, of all threads: what grows with the flows that only
// stay open (lists that are walked, timers that run, caches that are lost) shows, whoever else has work.

import { type Bench, connectionTransports, medianFigures, type Sample } from './bench.ts';
import { createMeter, startBoth } from './meter.ts';
import { openAll, tooMany } from './open.ts';
import type { Connection } from './transport.ts';

const active = 16;
const messageBytes = 1024;
const warmUpMessages = 2000;

export const flows: Bench = {
  unit: 'us CPU/message',
  ...connectionTransports,
  points: { of: 'flows', values: [16, 1000, 10_000, 100_000] },
  missing: (transport, { at = 1 }) => tooMany(transport, at),

  /** Answers where, and its process. */
  async server(transport) {
    const address = await transport.listen((connection) => {
      connection.on('error', () => {}).on('data', (data: Buffer) => connection.write(data));
    });
    return `${address} ${process.pid}`;
  },

  async client(transport, text, { seconds, at: count = 1 }) {
    const [address = '', pid] = text.split(' ');
    const connections = await openAll(transport, address, count);
    const bothNs = startBoth(Number(pid));
    const { messages, value } = await echo(connections.slice(0, active), seconds);
    return { value: bothNs() / 1000 / messages, figures: { messagesPerSecond: value } };
  },

  figures: (samples) => ({
    active,
    messageBytes,
    ...medianFigures(['messagesPerSecond'], samples),
  }),
};

/** Until there is a rate; counts from the first message on. */
function echo(connections: readonly Connection[], seconds: number): Promise<{ messages: number; value: number }> {
  const message = Buffer.alloc(messageBytes, 'x');
  const complete = createMeter(seconds, warmUpMessages);
  let messages = 0;
  return new Promise((resolve, reject) => {
    for (const connection of connections) {
      let missing = messageBytes;
      connection.on('error', reject).on('data', (data: Buffer) => {
        missing -= data.length;
        if (missing > 0) return;
        messages++;
        const sample: Sample | undefined = complete();
        if (sample !== undefined) return resolve({ messages, value: sample.value });
        missing = messageBytes;
        connection.write(message);
      });
      connection.write(message);
    }
  });
}
