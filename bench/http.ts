// Requests per second of node:http over kept-alive connections, a body of 1 KiB, 64 in flight: the same server and the
// same client code everywhere, only the agent and the way of listening differ.

import { get, type IncomingMessage } from 'node:http';
import { type Bench, connectionTransports, type Sample } from './bench.ts';
import { createMeter } from './meter.ts';
import type { Transport } from './transport.ts';

export const bodyBytes = 1024;
const inFlight = 64;
/** Until V8 has compiled what runs: most of a second. */
const warmUpRequests = 20_000;

export const http: Bench = {
  unit: 'requests/s',
  ...connectionTransports,

  server(transport) {
    const body = Buffer.alloc(bodyBytes, 'x');
    return transport.listenHttp((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
      response.end(body);
    });
  },

  client: (transport, address, { seconds }) => requestAll(transport, address, seconds),

  figures: () => ({ bodyBytes, inFlight }),
};

/** As many as come in the time, `inFlight` at once. */
export function requestAll(
  transport: Transport,
  address: string,
  seconds: number,
  heard: (response: IncomingMessage) => void = () => {},
): Promise<Sample> {
  const { agent, url } = transport.http(address, inFlight);
  const complete = createMeter(seconds, warmUpRequests);
  return new Promise<Sample>((resolve, reject) => {
    const next = (): void => {
      get(url, { agent }, (response) => {
        let bytes = 0;
        heard(response);
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        response.on('end', () => {
          if (response.statusCode !== 200 || bytes !== bodyBytes)
            return reject(new Error(`status ${response.statusCode}, ${bytes} bytes`));
          const sample = complete();
          if (sample === undefined) next();
          else resolve(sample);
        });
      }).on('error', reject);
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}
