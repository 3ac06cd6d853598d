// One service of as many processes as there are points, on one host: each of ours is an instance of its own that registers the
// same name, `net` has Node's cluster, whose first process accepts for all. Requests are those of `http`. What to look at is
// the processor time per request, which is to stay as it is with one process, and the least share that one of the
// processes got of what would be equal: the client takes a core for itself, so that requests per second tell of scaling only
// on a machine with more cores than processes.

import cluster from 'node:cluster';
import { once } from 'node:events';
import { type Bench, medianFigures } from './bench.ts';
import { bodyBytes, requestAll } from './http.ts';
import { makeSeed, seedVariable } from './identify.ts';
import { cpuNsOf, startUsage } from './meter.ts';
import type { Transport } from './transport.ts';

export const processes: Bench = {
  unit: 'requests/s',
  transports: ['caracal', 'caracal-insecure', 'net'],
  ratios: [
    ['caracal', 'net'],
    ['caracal-insecure', 'net'],
  ],
  points: { of: 'processes', values: [1, 2] },

  /** Answers where, and all processes that serve. */
  async server(transport, { at: count = 2 }) {
    if (!cluster.isPrimary) return work(transport);
    cluster.setupPrimary({ silent: true });
    const env = { [seedVariable]: Buffer.from(makeSeed()).toString('hex') };
    const workers = Array.from({ length: count }, () => cluster.fork(env));
    process.once('exit', () => {
      for (const worker of workers) worker.process.kill();
    });
    const addresses = await Promise.all(workers.map(async (worker) => String((await once(worker, 'message'))[0])));
    return [addresses[0], process.pid, ...workers.map((worker) => worker.process.pid)].join(' ');
  },

  async client(transport, text, options) {
    const [address = '', ...pids] = text.split(' ');
    const cpuNs = (): number => pids.reduce((sum, pid) => sum + cpuNsOf(Number(pid)), 0);
    const served = new Map<string, number>();
    const before = cpuNs();
    const own = startUsage();
    const { value } = await requestAll(transport, address, options.seconds, ({ headers }) => {
      const pid = String(headers['x-process']);
      served.set(pid, (served.get(pid) ?? 0) + 1);
    });
    const { cpuNs: ownNs, elapsedNs } = own();
    const requests = [...served.values()].reduce((sum, one) => sum + one, 0);
    const count = pids.length - 1;
    return {
      value,
      figures: {
        cpuUsPerRequest: (cpuNs() - before) / 1000 / requests,
        leastShare: served.size < count ? 0 : (Math.min(...served.values()) * count) / requests,
        clientCpu: ownNs / elapsedNs,
      },
    };
  },

  figures: (samples) => medianFigures(['cpuUsPerRequest', 'leastShare', 'clientCpu'], samples),
};

/** Tells the first process where it can be reached. */
async function work(transport: Transport): Promise<string> {
  const body = Buffer.alloc(bodyBytes, 'x');
  const address = await transport.listenHttp((_request, response) => {
    response.writeHead(200, { 'content-length': body.length, 'x-process': process.pid });
    response.end(body);
  });
  process.send?.(address);
  return address;
}
