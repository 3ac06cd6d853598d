// Latency of one connection: a message of 64 bytes goes out when the echo of the last one is back. The value is the
// p50 of a repeat; the tail is a ratio of its own. Processor time of both ends beside it: who waits awake is quick, and pays.

import { type Bench, connectionTransports, medianFigure, medianFigures, quantile, type Sample } from './bench.ts';
import { startBoth } from './meter.ts';

const messageBytes = 64;
/** A second or so, until V8 has compiled what runs. */
const warmUpRounds = 20_000;

export const rtt: Bench = {
  unit: 'us',
  ...connectionTransports,

  /** Answers where, and its process. */
  async server(transport) {
    const address = await transport.listen((connection) => {
      connection.setNoDelay(true);
      connection.on('error', () => {});
      connection.on('data', (bytes: Buffer) => connection.write(bytes));
    });
    return `${address} ${process.pid}`;
  },

  client(transport, text, { seconds }) {
    const [address = '', pid] = text.split(' ');
    let bothNs = (): number => 0;
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
          if (--left === 0) {
            bothNs = startBoth(Number(pid));
            until = now + BigInt(Math.round(seconds * 1e9));
          }
        } else rounds.push(Number(now - sentAt) / 1000);
        if (left > 0 || now < until) return send();
        const cpuNs = bothNs();
        connection.destroy();
        resolve({
          value: quantile(rounds, 0.5),
          figures: {
            p99Us: quantile(rounds, 0.99),
            cpuUsPerRound: cpuNs / 1000 / rounds.length,
            rounds: rounds.length,
          },
        });
      });
    });
  },

  figures(samples) {
    const p99 = (transport: string): number => medianFigure(samples.get(transport) ?? [], 'p99Us');
    return {
      messageBytes,
      ...medianFigures(['p99Us', 'cpuUsPerRound'], samples),
      p99Ratio: p99('caracal') / p99('net'),
      p99RatioTls: p99('caracal') / p99('tls'),
    };
  },
};
