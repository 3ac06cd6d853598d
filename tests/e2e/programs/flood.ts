// A flood of first packets from addresses that are not the sender's: raw IP packets, root only, each a SYN as good as a
// stack's own with a source address, a flowID, a nonce and a key of its own.
//
// Arguments: one JSON object (`FloodOptions`). Prints `ready`; floods for as long as stdin says, one line `MS` or
// `MS PER_SECOND` at a time, and answers each with `sent PACKETS MS`.

import { createInterface } from 'node:readline';
import koffi from 'koffi';
import { parseServiceId, seededRandom } from '../../../src/core/base/index.ts';
import { baseHeaderBytes, controlBytes, serviceBytes } from '../../../src/core/wire/index.ts';
import { makeSyn } from '../hostile-packets.ts';

export interface FloodOptions {
  readonly service: string;
  /** Each gets its share, in turn. */
  readonly targets: readonly { readonly address: string; readonly port: number }[];
  /** The first two numbers of the addresses that it pretends to have. */
  readonly sources: readonly [number, number];
}

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
const headersBytes = 28;
/** Of CONTROL: nonce and flowID. Of HANDSHAKE: the key. */
const idsAt = headersBytes + baseHeaderBytes + 8;
const keyAt = headersBytes + baseHeaderBytes + controlBytes + serviceBytes(false) + 6;
const batch = 64;

const options = JSON.parse(process.argv[2] ?? '{}') as FloodOptions;
const random = seededRandom(process.pid);
const libc = koffi.load('libc.so.6');
const sendto = libc.func('long sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)');
const fd = libc.func('int socket(int, int, int)')(AF_INET, SOCK_RAW, IPPROTO_RAW) as number;
if (fd < 0) throw new Error('no raw socket: not root?');
const targets = options.targets.map(({ address, port }) => makeTarget(address, port));

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [ms = 0, perSecond = Number.POSITIVE_INFINITY] = line.split(' ').map(Number);
  const from = performance.now();
  let sent = 0;
  for (let now = from; now - from < ms; now = performance.now()) {
    if (sent < ((now - from) * perSecond) / 1000) for (let i = 0; i < batch; i++) sendOne(sent++);
    if (sent % (batch * 16) === 0 || sent >= ((now - from) * perSecond) / 1000)
      await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(`sent ${sent} ${Math.round(performance.now() - from)}`);
});
console.log('ready');

/** An IP packet with a UDP datagram; the kernel fills in the checksum of IP, and UDP over IPv4 needs none. */
function makeTarget(address: string, port: number) {
  const syn = makeSyn({ service: parseServiceId(options.service), random });
  const packet = Buffer.alloc(headersBytes + syn.length);
  const [a, b] = options.sources;
  const to = address.split('.').map(Number);
  packet.set([0x45, 0, packet.length >> 8, packet.length & 0xff, 0, 0, 0, 0, 64, 17, 0, 0, a, b, 0, 0, ...to]);
  packet.writeUInt16BE(port, 22);
  packet.writeUInt16BE(packet.length - 20, 24);
  packet.set(syn, headersBytes);
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.set(to, 4);
  return { packet, name };
}

function sendOne(index: number): void {
  const { packet, name } = targets[index % targets.length] as ReturnType<typeof makeTarget>;
  packet.writeUInt16BE(random.uint32() & 0xffff, 14);
  packet.writeUInt16BE(1024 + (random.uint32() % 60_000), 20);
  for (let i = 0; i < 4; i++) packet.writeUInt32BE(random.uint32(), idsAt + 4 * i);
  for (let i = 0; i < 8; i++) packet.writeUInt32BE(random.uint32(), keyAt + 4 * i);
  sendto(fd, packet, packet.length, 0, name, name.length);
}
