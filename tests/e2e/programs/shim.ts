// A bad network between one client and everything else, without root: a relay of UDP datagrams that stands where the
// client believes the router to be. It works like a NAT with a wire: one outside port for all that the client sends,
// and for each host that answers one inside port, so that each host keeps an address of its own for the client. It
// loses, delays, reorders and duplicates by seed, and `rebind` gives the client another outside port mid-flow.
// A corrupted datagram keeps its UDP checksum, for the receiving kernel to find (corrupt.ts; dropped here without root).
// As an attacker on the path it changes bits under a new checksum, repeats what it saw, and records for `replay`.
// Arguments: one JSON object (`ShimOptions`). Prints `ready PORT`. Commands on stdin, one per line: `rebind`, `replay`,
// `trace` (all headers seen so far), `stats`, `set {...}` (new impairments); each answers one line of JSON.

import { createSocket, type Socket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { seededRandom } from '../../../src/core/base/index.ts';
import { openDamager } from './corrupt.ts';

interface Impairments {
  loss: number;
  reorder: number;
  duplicate: number;
  corrupt: number;
  /** One bit changed, which only a tag or a seal can find. */
  tamper: number;
  /** An old datagram of the same way once more. */
  replay: number;
  /** Each way. */
  delayMs: number;
}

interface ShimOptions extends Partial<Impairments> {
  readonly router: string;
  readonly seed?: number;
  /** Keep the first bytes of every datagram for `trace`. */
  readonly trace?: boolean;
  readonly record?: boolean;
}

interface Recorded {
  readonly direction: Direction;
  readonly peer: Endpoint;
  readonly bytes: Uint8Array;
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

type Direction = 'out' | 'in';

const options = JSON.parse(process.argv[2] ?? '{}') as ShimOptions;
const [routerAddress = '127.0.0.1', routerPort = '0'] = options.router.split(':');
const impairments: Impairments = {
  loss: 0,
  reorder: 0,
  duplicate: 0,
  corrupt: 0,
  tamper: 0,
  replay: 0,
  delayMs: 0,
  ...options,
};
const random = seededRandom(options.seed ?? 1);
const chance = (probability: number): boolean => random.uint32() / 2 ** 32 < probability;

const stats = { out: 0, in: 0, lost: 0, reordered: 0, duplicated: 0, corrupted: 0, tampered: 0, replayed: 0, peers: 0 };
const trace: { atMs: number; direction: Direction; peer: string; bytes: number; head: string }[] = [];

const recorded: Recorded[] = [];
/** The latest few, for `replay` as an impairment. */
const recent: Recorded[] = [];
const recentDatagrams = 64;

const sendDamaged = openDamager();
const insides = new Map<string, Socket>();
let client: Endpoint | undefined;
let outside = openOutside();

const front = await openInside({ address: routerAddress, port: Number(routerPort) });
console.log(`ready ${front.address().port}`);

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command = '', argument = '{}'] = line.split(/ (.*)/s);
  if (command === 'rebind') {
    outside.close();
    outside = openOutside();
    outside.once('listening', () => console.log(JSON.stringify({ rebound: outside.address().port })));
  } else if (command === 'set') {
    Object.assign(impairments, JSON.parse(argument));
    console.log(JSON.stringify({ set: impairments }));
  } else if (command === 'replay') replayAll().then((count) => console.log(JSON.stringify({ replay: count })));
  else if (command === 'trace') console.log(JSON.stringify({ trace }));
  else console.log(JSON.stringify({ stats }));
});

function openOutside(): Socket {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    if (socket !== outside) return;
    impair('in', from, bytes, async (damage) => {
      const inside = await openInside(from);
      if (client) pass(inside, bytes, client, damage);
    });
  });
  socket.on('error', () => {});
  socket.bind(0, '127.0.0.1', () => enlarge(socket));
  return socket;
}

/** The socket that stands for `peer` on the client's side. */
async function openInside(peer: Endpoint): Promise<Socket> {
  const key = `${peer.address}:${peer.port}`;
  const known = insides.get(key);
  if (known) return known;
  const socket = createSocket('udp4');
  insides.set(key, socket);
  stats.peers++;
  socket.on('message', (bytes, from) => {
    client = { address: from.address, port: from.port };
    impair('out', peer, bytes, (damage) => pass(outside, bytes, peer, damage));
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  enlarge(socket);
  return socket;
}

function pass(socket: Socket, bytes: Uint8Array, to: Endpoint, damage: boolean): void {
  if (!damage) socket.send(bytes, to.port, to.address);
  else sendDamaged?.(bytes, socket.address(), to, random.uint32());
}

function enlarge(socket: Socket): void {
  socket.setRecvBufferSize(8 << 20);
  socket.setSendBufferSize(8 << 20);
}

function impair(direction: Direction, peer: Endpoint, bytes: Uint8Array, deliver: (damage: boolean) => unknown): void {
  stats[direction]++;
  if (options.record) recorded.push({ direction, peer, bytes: Uint8Array.from(bytes) });
  attack(direction, peer, bytes);
  if (options.trace) {
    const head = Buffer.from(bytes.subarray(0, 160)).toString('hex');
    trace.push({
      atMs: Math.round(performance.now()),
      direction,
      peer: `${peer.address}:${peer.port}`,
      bytes: bytes.length,
      head,
    });
  }
  if (chance(impairments.loss)) {
    stats.lost++;
    return;
  }
  const damage = chance(impairments.corrupt);
  if (damage) stats.corrupted++;
  // Late by more than the spacing of a flight, so that packets sent after it overtake it.
  const late = chance(impairments.reorder);
  if (late) stats.reordered++;
  const delayMs = impairments.delayMs + (late ? 3 + (random.uint32() % 8) : 0);
  const copies = chance(impairments.duplicate) ? 2 : 1;
  if (copies === 2) stats.duplicated++;
  for (let i = 0; i < copies; i++) {
    if (delayMs > 0) setTimeout(deliver, delayMs, damage);
    else deliver(damage);
  }
}

/** What an attacker does who sees everything: `bytes` is changed in place, copies of others are sent. */
function attack(direction: Direction, peer: Endpoint, bytes: Uint8Array): void {
  if (impairments.replay > 0) {
    recent[stats[direction] % recentDatagrams] = { direction, peer, bytes: Uint8Array.from(bytes) };
    const old = recent[random.uint32() % recent.length];
    if (old && chance(impairments.replay)) {
      stats.replayed++;
      sendAgain(old);
    }
  }
  if (!chance(impairments.tamper)) return;
  stats.tampered++;
  const at = random.uint32() % bytes.length;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (random.uint32() & 7));
}

async function replayAll(): Promise<number> {
  const all = [...recorded];
  for (const [i, old] of all.entries()) {
    sendAgain(old);
    if (i % 32 === 31) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return all.length;
}

function sendAgain({ direction, peer, bytes }: Recorded): void {
  if (direction === 'out') outside.send(bytes, peer.port, peer.address);
  else if (client) insides.get(`${peer.address}:${peer.port}`)?.send(bytes, client.port, client.address);
}
