// Connections per second: each is opened, ended by the client, and counts when its 'close' has come; 16 in flight.
// Every connect is a full handshake. Ours are opened by name, so each passes the router first; `tls` and `net` are given
// the address.

import { type Bench, connectionTransports, type Sample } from './bench.ts';
import type { Connection } from './transport.ts';

const inFlight = 16;
/** A process that runs has compiled what it runs: of interest is what it does then. */
const warmUpConnects = 2000;

export const connect: Bench = {
  unit: 'connects/s',
  ...connectionTransports,

  server(transport) {
    return transport.listen((connection) => {
      connection.on('error', () => {});
      connection.resume();
    });
  },

  client(transport, address, { seconds }) {
    let completed = 0;
    let warmBy = 0;
    let from = 0n;
    let until = 0n;
    const measuredNs = BigInt(Math.round(seconds * 1e9));
    const warmUntil = process.hrtime.bigint() + measuredNs;
    return new Promise<Sample>((resolve, reject) => {
      const next = (): void => {
        const connection: Connection = transport.connect(address, () => connection.end());
        connection
          .on('error', reject)
          .resume()
          .on('close', () => {
            const now = process.hrtime.bigint();
            completed++;
            if (until === 0n && (completed === warmUpConnects || now > warmUntil)) {
              warmBy = completed;
              from = now;
              until = now + measuredNs;
            }
            if (until === 0n || now < until) next();
            else resolve({ value: ((completed - warmBy) * 1e9) / Number(now - from) });
          });
      };
      for (let i = 0; i < inFlight; i++) next();
    });
  },

  figures: () => ({ inFlight }),
};
