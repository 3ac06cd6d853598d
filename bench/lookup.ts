// The pure part of a router's work: from a first packet's name to the instance that it goes to, in memory, by the path that
// routers take (longest prefix, then the choice among four instances). Names come in random order, side by side as they would
// stand in packets, so that what is not in the processor's cache is the table. What the caller then reads of the target is
// not in it. By processor time: the rate is one core's, whoever else has work.

import { memberBits, randomId, type ServiceId, seededRandom } from '../src/core/base/index.ts';
import { createServiceTable, insertTarget, resolveTarget, type ServiceTable } from '../src/core/tables/index.ts';
import { type Bench, medianFigure } from './bench.ts';
import { perCpuSecond } from './meter.ts';

const instances = 4;
const nameBytes = 32;
const fewestNames = 20_000;
const mostNames = 200_000;
const tcp = 6;

export const lookup: Bench = {
  unit: 'lookups/CPU-s',
  transports: ['caracal'],
  ratios: [],
  points: { of: 'services', values: [10, 1000, 100_000, 1_000_000] },

  async client(_transport, _address, { seconds, at: services = 1000 }) {
    const random = seededRandom(services);
    const names = new Uint8Array(services * nameBytes);
    const words = new Uint32Array(names.buffer);
    for (let i = 0; i < words.length; i++) words[i] = random.uint32();
    globalThis.gc?.();
    const before = process.memoryUsage();
    const table = fill(names, services);
    globalThis.gc?.();
    const after = process.memoryUsage();
    const asked = new Uint8Array(Math.min(mostNames, Math.max(fewestNames, services)) * nameBytes);
    for (let at = 0; at < asked.length; at += nameBytes) {
      const from = (random.uint32() % services) * nameBytes;
      asked.set(names.subarray(from, from + nameBytes), at);
    }
    let flow = 0;
    const value = perCpuSecond(seconds, () => {
      for (let at = 0; at < asked.length; at += nameBytes)
        if (resolveTarget(table, tcp, asked, at, flow++, at, 0) === undefined) throw new Error('a lookup missed');
      return asked.length / nameBytes;
    });
    const used = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    return { value, figures: { bytesPerService: used / services } };
  },

  figures: (samples) => ({ instances, bytesPerService: medianFigure(samples.get('caracal') ?? [], 'bytesPerService') }),
};

function fill(names: Uint8Array, services: number): ServiceTable {
  const random = seededRandom(1);
  const table = createServiceTable(random.uint32());
  for (let i = 0; i < services; i++) {
    const id = names.slice(i * nameBytes, (i + 1) * nameBytes) as ServiceId;
    for (let k = 0; k < instances; k++) {
      const instance = randomId(random);
      insertTarget(table, { id, bits: memberBits }, { owner: 'static', instance, protocol: 0, action: 'forward' });
    }
  }
  return table;
}
