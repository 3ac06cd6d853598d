// Members of a WebSocket chat who know nothing of redeploys: `chatters SERVICE COUNT PER-SECOND`. One after the other says a
// number of its own, every third in two halves with a while between them, and each counts what it hears of each. Prints
// `open`, what there is at each line on standard input, and at `end` what there was when everything said had been heard.

import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { Agent } from '../../../src/index.ts';

const [service = 'chat', countText = '1', perSecondText = '10'] = process.argv.slice(2);
const count = Number(countText);
const settleMs = 15_000;
const agent = new Agent();
const said = new Array<number>(count).fill(0);
/** What each hears next of each. */
const heard = Array.from({ length: count }, () => new Uint32Array(count));
const seen = { dropped: 0, doubled: 0, lost: 0 };
let [open, turn, delivered, lastMs, longestMs] = [0, 0, 0, 0, 0];
let over = false;

const members = said.map((_, i) => {
  const ws = new WebSocket(`ws://${service}.svc/${i}`, { agent });
  ws.on('open', () => ++open === count && begin());
  ws.on('message', (text) => hear(i, String(text)));
  ws.on('error', (error) => console.error(`${i}: ${error.message}`));
  ws.on('close', (code, why) => {
    if (over) return;
    console.error(`${i}: closed with ${code} ${why}`);
    seen.dropped++;
  });
  return ws;
});

function begin(): void {
  lastMs = performance.now();
  console.log('open');
  const timer = setInterval(() => (over ? clearInterval(timer) : say(turn++ % count)), 1_000 / Number(perSecondText));
}

function say(who: number): void {
  const text = String(said[who]!++);
  const ws = members[who]!;
  if (turn % 3 !== 0) return ws.send(text.padEnd(20));
  ws.send(text.padEnd(10), { fin: false });
  setTimeout(() => ws.send(' '.repeat(10)), 100);
}

function hear(listener: number, text: string): void {
  const [name, number] = text.split(': ').map(Number) as [number, number];
  const row = heard[listener]!;
  const next = row[name]!;
  delivered++;
  const nowMs = performance.now();
  longestMs = Math.max(longestMs, nowMs - lastMs);
  lastMs = nowMs;
  if (number < next) seen.doubled++;
  else {
    seen.lost += number - next;
    row[name] = number + 1;
  }
}

/** Said, and not heard by somebody. */
function missing(): number {
  return heard.reduce((sum, row) => sum + said.reduce((rest, next, name) => rest + next - row[name]!, 0), 0);
}

function report(): void {
  const all = said.reduce((sum, next) => sum + next, 0);
  console.log(JSON.stringify({ ...seen, missing: missing(), said: all, delivered, longestMs }));
}

createInterface({ input: process.stdin }).on('line', async (command) => {
  if (command === 'end') {
    over = true;
    const untilMs = performance.now() + settleMs;
    while (missing() > 0 && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const ws of members) ws.terminate();
  }
  report();
});
