// Demultiplexing one data packet, by the path of every packet that a stack receives: parse the header, find the flow. The
// packets stand behind one another as in a super-packet of segmentation offload, each of another of many flows, in random
// order; writing its flowID into each, as the kernel would have, is part of what is measured.

import { Reason, seededRandom } from '../src/core/base/index.ts';
import { allocate, createFlowTable, find } from '../src/core/tables/index.ts';
import { baseHeaderBytes, createPacket, emitBase, parsePacket } from '../src/core/wire/index.ts';
import type { Bench } from './bench.ts';
import { perCpuSecond } from './meter.ts';

const packets = 44;
const packetBytes = 1472;
const most = 100_000;
const tcp = 6;

interface Flow {
  readonly kind: string;
}

export const demux: Bench = {
  unit: 'ns/packet',
  transports: ['caracal'],
  ratios: [],
  points: { of: 'flows', values: [1, 1000, 100_000] },

  async client(_transport, _address, { seconds, at: flows = 1000 }) {
    const random = seededRandom(flows);
    const table = createFlowTable<Flow>();
    const ids = Array.from({ length: flows }, () => allocate(table, random, { kind: 'connection' })!);
    const order = new Uint32Array(most * 2);
    for (let i = 0; i < most; i++) {
      const { hi, lo } = ids[random.uint32() % flows]!;
      order[i * 2] = hi;
      order[i * 2 + 1] = lo;
    }
    const view = new DataView(new ArrayBuffer(packets * packetBytes));
    for (let i = 0; i < packets; i++) emitBase(view, i * packetBytes, baseHeaderBytes, tcp, packetBytes, 0, 0);
    const packet = createPacket();
    const rate = perCpuSecond(seconds, () => {
      for (let i = 0; i < most; i++) {
        const at = (i % packets) * packetBytes;
        view.setUint32(at + 8, order[i * 2]!);
        view.setUint32(at + 12, order[i * 2 + 1]!);
        if (parsePacket(view, at, view.byteLength, packet) !== Reason.OK) throw new Error('a packet was refused');
        if (find(table, packet.flowHi, packet.flowLo)?.kind !== 'connection') throw new Error('a flow was not found');
      }
      return most;
    });
    return { value: 1e9 / rate };
  },
};
