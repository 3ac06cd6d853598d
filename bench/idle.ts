// Resident memory per idle connection, of the accepting process. The baseline is taken after all but one of a first
// hundred connections went, so that code and pools that are paid once do not count; both readings follow a garbage collection
// (node runs with --expose-gc). Then it is watched for a while how much of a core the idle connections cost.

import { type Bench, connectionTransports, figureOfEach, median, medianFigures } from './bench.ts';
import { missingPorts, openAll } from './open.ts';
import type { Connection } from './transport.ts';

const first = 100;
const settleMs = 3000;
const quietMs = 3000;

/** Of one core. */
async function cpuPercentOver(ms: number): Promise<number> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - startedMs);
}

export const idle: Bench = {
  unit: 'bytes/connection',
  ...connectionTransports,
  points: { of: 'connections', values: [10_000] },
  missing: (transport, { at = 1 }) => missingPorts(transport, at),

  async server(transport, { at: connections = 1 }, report) {
    const held = new Set<Connection>();
    let seen = 0;
    let baseline = 0;
    const settle = async (): Promise<number> => {
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, settleMs / 3));
        globalThis.gc?.();
      }
      return process.memoryUsage.rss();
    };
    return transport.listen((connection) => {
      seen++;
      held.add(connection);
      connection.on('error', () => {});
      connection.resume().on('close', async () => {
        held.delete(connection);
        if (held.size !== 1 || baseline !== 0) return;
        baseline = await settle();
        for (const last of held) last.write('go');
      });
      if (seen !== first + connections) return;
      settle().then(async (resident) => {
        const cpuPercent = await cpuPercentOver(quietMs);
        report({ value: (resident - baseline) / connections, figures: { baseline, cpuPercent } });
      });
    });
  },

  async client(transport, address, { at: connections = 1 }) {
    const opened = await openAll(transport, address, first);
    const last = opened.pop();
    for (const connection of opened) connection.end();
    await new Promise((resolve) => last?.once('data', resolve));
    await openAll(transport, address, connections);
    return undefined;
  },

  figures: (samples) => ({
    ...medianFigures(['cpuPercent'], samples),
    ...figureOfEach('bytesPerConnection', samples, (list) => Math.round(median(list.map(({ value }) => value)))),
  }),
};
