// The members of a room (room.ts), who know nothing of handing over. One after the other says a number of its own; each
// counts what it hears of each other one, so that a message lost or doubled anywhere shows. Every third message is said
// in two halves, with a while between them.

import { once } from 'node:events';
import { connect, type Socket } from '../../../index.ts';
import { monotonicMs, sleep } from '../clock.ts';
import { serveCommands, workerOptions } from './commands.ts';
import type { RoomSeen } from './protocol.ts';

const { service, count, perSecond } = workerOptions<{ service: string; count: number; perSecond: number }>();
/** Dialled at a time. */
const wave = 50;
const halfMs = 30;
const settleMs = 20_000;
const binMs = 20;
const lineBytes = 40;

const members: Socket[] = [];
const said = new Uint32Array(count);
/** The number that member `i` hears next of member `j`, at i * count + j. */
const next = new Uint32Array(count * count);
const lastMs = new Float64Array(count);
const longestMs = new Float64Array(count);
const samples: [number, number][] = [];
let [lost, doubled, dropped, delivered, turn] = [0, 0, 0, 0, 0];
let over = false;

serveCommands({ begin, watch, seen: () => [...longestMs], finish });

async function begin(): Promise<void> {
  while (members.length < count)
    await Promise.all(Array.from({ length: wave }, () => members.length < count && dial()));
  watch();
  const timer = setInterval(() => (over ? clearInterval(timer) : say(turn++ % count)), 1_000 / perSecond);
}

async function dial(): Promise<void> {
  const i = members.length;
  const socket = connect(service);
  members.push(socket);
  let half = '';
  socket.on('data', (bytes: Buffer) => {
    const lines = (half + bytes.toString('latin1')).split('\n');
    half = lines.pop() ?? '';
    for (const line of lines) hear(i, line);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    if (!over) dropped++;
  });
  await once(socket, 'connect');
}

function say(who: number): void {
  const line = `${who} ${said[who]!++}`.padEnd(lineBytes - 1);
  const socket = members[who]!;
  if (turn % 3 !== 0) return void socket.write(`${line}\n`);
  const middle = lineBytes / 2;
  socket.write(line.slice(0, middle));
  setTimeout(() => socket.write(`${line.slice(middle)}\n`), halfMs);
}

function hear(listener: number, line: string): void {
  const nowMs = monotonicMs();
  longestMs[listener] = Math.max(longestMs[listener]!, nowMs - lastMs[listener]!);
  lastMs[listener] = nowMs;
  tally(nowMs);
  const [name = 0, number = 0] = line.split(' ').map(Number);
  const at = listener * count + name;
  if (number < next[at]!) doubled++;
  else {
    lost += number - next[at]!;
    next[at] = number + 1;
  }
}

function tally(nowMs: number): void {
  delivered++;
  const bin = Math.floor(nowMs / binMs) * binMs;
  const last = samples.at(-1);
  if (last?.[0] === bin) last[1]++;
  else samples.push([bin, 1]);
}

/** From now on the longest time that each member hears nothing is looked for. */
function watch(): void {
  lastMs.fill(monotonicMs());
  longestMs.fill(0);
}

/** What was said and is not heard is lost. */
async function finish(): Promise<RoomSeen> {
  over = true;
  const untilMs = monotonicMs() + settleMs;
  while (missing() > 0 && monotonicMs() < untilMs) await sleep(20);
  const missed = missing();
  const total = said.reduce((sum, number) => sum + number, 0);
  return { connections: count, said: total, delivered, dropped, lost: lost + missed, doubled, samples };
}

function missing(): number {
  let sum = 0;
  for (let at = 0; at < next.length; at++) sum += said[at % count]! - next[at]!;
  return sum;
}
