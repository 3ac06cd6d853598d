// A long way: a TUN device that gives every packet back to the kernel after a while, in order. Kernels without netem have
// nothing else that delays. Needs root and a route to the device. Arguments: its name, milliseconds. Prints `ready`.

import koffi from 'koffi';

const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x1001;
const O_RDWR_NONBLOCK = 0o4002;
const mostPacketBytes = 65_536;

const [name = 'long', delayText = '10'] = process.argv.slice(2);
const delayMs = Number(delayText);

const libc = koffi.load('libc.so.6');
const open = libc.func('int open(const char *, int)');
const ioctl = libc.func('int ioctl(int, ulong, void *)');
const read = libc.func('long read(int, void *, size_t)');
const write = libc.func('long write(int, const void *, size_t)');

const fd = open('/dev/net/tun', O_RDWR_NONBLOCK) as number;
const request = Buffer.alloc(40);
request.write(name);
request.writeUInt16LE(IFF_TUN_NO_PI, 16);
if (fd < 0 || (ioctl(fd, TUNSETIFF, request) as number) < 0) throw new Error(`no TUN device: errno ${koffi.errno()}`);

const buffer = Buffer.alloc(mostPacketBytes);
const under: { readonly dueMs: number; readonly packet: Buffer }[] = [];
let waiting = false;

const poll = koffi.node.poll(fd, () => setImmediate(take));
process.once('exit', () => poll.close());
process.stdin.on('end', () => process.exit(0)).resume();
console.log('ready');

function take(): void {
  const dueMs = performance.now() + delayMs;
  for (;;) {
    const bytes = Number(read(fd, buffer, buffer.length));
    if (bytes <= 0) break;
    under.push({ dueMs, packet: Buffer.from(buffer.subarray(0, bytes)) });
  }
  wait();
}

function give(): void {
  waiting = false;
  const nowMs = performance.now();
  let due = 0;
  for (const { dueMs, packet } of under) {
    if (dueMs > nowMs) break;
    write(fd, packet, packet.length);
    due++;
  }
  under.splice(0, due);
  wait();
}

function wait(): void {
  const first = under[0];
  if (first === undefined || waiting) return;
  waiting = true;
  setTimeout(give, Math.max(0, first.dueMs - performance.now()));
}
