// Memory per idle connection at the accepting end: resident memory of its process, and what the kernel holds for it (memory.ts).
// The value is the sum, since a stack in user space has of the first what others have of the second. The baseline is taken
// after all but one of a first hundred connections went, so that code and pools that are paid once do not count. Then it is watched
// for a while how much of a core the idle connections cost.

import { type Bench, medianFigure, medianFigures, type Sample, type Samples } from './bench.ts';
import { type Memory, settledMemory } from './memory.ts';
import { openAll, tooMany } from './open.ts';
import type { Connection } from './transport.ts';

const first = 100;
/** Heartbeats, renewals of a lease and looks at the machine's addresses come by the second: several of each. */
const quietMs = 12_000;
/** Both stand on this machine. */
const ends = 2;

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
  transports: ['caracal', 'tls', 'net'],
  /** In the clear there is nothing less to hold but keys. */
  peers: ['caracal-insecure'],
  ratios: [
    ['caracal', 'tls'],
    ['caracal', 'net'],
  ],
  points: { of: 'connections', values: [1000, 10_000, 100_000] },
  missing: (transport, { at = 1 }) => tooMany(transport, at),

  async server(transport, { at: connections = 1 }, report) {
    const held = new Set<Connection>();
    let seen = 0;
    let baseline: Promise<Memory> | undefined;
    /** The first ones but one have come and gone, in whatever order. */
    const look = async (): Promise<void> => {
      if (baseline !== undefined || seen !== first || held.size !== 1) return;
      baseline = settledMemory();
      await baseline;
      for (const last of held) last.write('go');
    };
    return transport.listen((connection) => {
      seen++;
      held.add(connection);
      connection.on('error', () => {});
      connection.resume().on('close', () => {
        held.delete(connection);
        void look();
      });
      void look();
      if (seen === first + connections) void measure(connections, baseline).then(report);
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
    ...medianFigures(['residentBytes', 'kernelBytes', 'grownBytes', 'cpuPercent'], samples),
    'resident caracal/net': residentRatio(samples, 'caracal', 'net'),
    'resident caracal/tls': residentRatio(samples, 'caracal', 'tls'),
  }),
};

async function measure(connections: number, baseline: Promise<Memory> | undefined): Promise<Sample> {
  const [before, memory] = [await baseline, await settledMemory()];
  const of = (name: keyof Memory): number => (memory[name] - (before?.[name] ?? 0)) / connections;
  const [residentBytes, kernelBytes, grownBytes] = [of('residentBytes'), of('kernelBytes') / ends, of('grownBytes')];
  const cpuPercent = await cpuPercentOver(quietMs);
  const value = residentBytes + (Number.isNaN(kernelBytes) ? 0 : kernelBytes);
  return { value, figures: { residentBytes, kernelBytes, grownBytes, cpuPercent } };
}

/** Without the kernel's share. */
function residentRatio(samples: Samples, ours: string, peer: string): number {
  const [a, b] = [ours, peer].map((name) => medianFigure(samples.get(name) ?? [], 'residentBytes'));
  return (a ?? Number.NaN) / (b ?? Number.NaN);
}
