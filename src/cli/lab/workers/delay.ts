// A long way, without netem: a TUN device that gives every packet back to the kernel after a while, in order. The routes
// of a namespace lead what it forwards through the device (topology.ts). Arguments: its name, milliseconds.

import { openTun } from '../../../io/index.ts';

const mostPacketBytes = 65_536;

const [name = 'delay', delayText = '0'] = process.argv.slice(2);
const delayMs = Number(delayText);

interface UnderWay {
  readonly dueMs: number;
  readonly packet: Uint8Array;
}

const buffer = Buffer.alloc(mostPacketBytes);
let underWay: UnderWay[] = [];
let waiting = false;

const tun = openTun(name, take);
process.stdin.on('end', () => process.exit(0)).resume();
console.log(`ready ${name}`);

function take(): void {
  const dueMs = performance.now() + delayMs;
  for (let bytes = tun.read(buffer); bytes > 0; bytes = tun.read(buffer))
    underWay.push({ dueMs, packet: Uint8Array.from(buffer.subarray(0, bytes)) });
  wait();
}

function give(): void {
  waiting = false;
  const nowMs = performance.now();
  let due = 0;
  for (const { dueMs, packet } of underWay) {
    if (dueMs > nowMs) break;
    tun.write(packet);
    due++;
  }
  underWay = underWay.slice(due);
  wait();
}

function wait(): void {
  const [first] = underWay;
  if (first === undefined || waiting) return;
  waiting = true;
  setTimeout(give, Math.max(0, first.dueMs - performance.now()));
}
