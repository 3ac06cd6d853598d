// Connections per second: each is opened, ended by the client, and counts when its 'close' has come; 16 in flight.
// Every connect is a full handshake. Ours are opened by name, so each passes the router first; `tls` and `net` are given
// the address.

import { type Bench, connectionTransports, type Sample } from './bench.ts';
import { createMeter } from './meter.ts';
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
    const complete = createMeter(seconds, warmUpConnects);
    return new Promise<Sample>((resolve, reject) => {
      const next = (): void => {
        const connection: Connection = transport.connect(address, () => connection.end());
        connection
          .on('error', reject)
          .resume()
          .on('close', () => {
            const sample = complete();
            if (sample === undefined) next();
            else resolve(sample);
          });
      };
      for (let i = 0; i < inFlight; i++) next();
    });
  },

  figures: () => ({ inFlight }),
};
