// Latency of one connection: a message of 64 bytes goes out when the echo of the last one is back. The value is the
// p50 of a repeat; the tail is a ratio of its own.

import { type Bench, connectionTransports, figureOfEach, medianFigure, quantile, type Sample } from './bench.ts';

const messageBytes = 64;
/** A second or so, until V8 has compiled what runs. */
const warmUpRounds = 20_000;

export const rtt: Bench = {
  unit: 'us',
  ...connectionTransports,

  server(transport) {
    return transport.listen((connection) => {
      connection.setNoDelay(true);
      connection.on('error', () => {});
      connection.on('data', (bytes: Buffer) => connection.write(bytes));
    });
  },

  client(transport, address, { seconds }) {
    const connection = transport.connect(address, () => send());
    connection.setNoDelay(true);
    const message = Buffer.alloc(messageBytes, 'm');
    const rounds: number[] = [];
    let missing = messageBytes;
    let sentAt = 0n;
    let left = warmUpRounds;
    let until = 0n;
    const send = (): void => {
      sentAt = process.hrtime.bigint();
      connection.write(message);
    };
    return new Promise<Sample>((resolve, reject) => {
      connection.on('error', reject).on('data', (bytes: Buffer) => {
        missing -= bytes.length;
        if (missing > 0) return;
        missing += messageBytes;
        const now = process.hrtime.bigint();
        if (left > 0) {
          if (--left === 0) until = now + BigInt(Math.round(seconds * 1e9));
        } else rounds.push(Number(now - sentAt) / 1000);
        if (left > 0 || now < until) return send();
        connection.destroy();
        resolve({ value: quantile(rounds, 0.5), figures: { p99: quantile(rounds, 0.99), rounds: rounds.length } });
      });
    });
  },

  figures(samples) {
    const p99 = (transport: string): number => medianFigure(samples.get(transport) ?? [], 'p99');
    return {
      messageBytes,
      ...figureOfEach('p99Us', samples, (list) => medianFigure(list, 'p99')),
      p99Ratio: p99('caracal') / p99('net'),
      p99RatioTls: p99('caracal') / p99('tls'),
    };
  },
};
