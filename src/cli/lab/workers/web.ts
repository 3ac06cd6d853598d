// An instance of a web service whose answers take their time: `/N` is N bytes, sent at a fixed rate, whole or from an offset
// on. It counts what it sends and how many answers are under way, and parts with its clients when it is told to.

import { createCipheriv } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { serve } from '../../../index.ts';
import { monotonicMs } from '../clock.ts';
import { serveCommands, workerOptions } from './commands.ts';
import { type InstanceSeen, type PartingSeen, webBytes } from './protocol.ts';

const { service, label, bytesPerSecond } = workerOptions<{ service: string; label: string; bytesPerSecond: number }>();
const sliceMs = 250;
const sliceBytes = Math.ceil((bytesPerSecond * sliceMs) / 1000);
const binMs = 100;

const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'caracal'), Buffer.alloc(16)).update(
  Buffer.alloc(webBytes),
);
const samples: [number, number][] = [];
const active: [number, number][] = [];
let answers = 0;

const http = createServer((request, response) => {
  countAnswers(1);
  response.once('close', () => countAnswers(-1));
  answer(request, response);
});
const serving = () => serve(http, service);
let instance: ReturnType<typeof serve> | undefined;

serveCommands({
  async open() {
    instance = serving();
    await instance.ready;
  },
  shed: () => part(async () => ({ ...(await instance!.shed()), reset: 0 })),
  drain: ({ deadlineMs }: { deadlineMs: number }) => part(() => instance!.drain({ deadlineMs })),
  finish: (): InstanceSeen => ({ samples, active }),
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const bytes = Math.min(webBytes, Number(request.url?.slice(1)));
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (!(bytes > 0 && from < bytes)) return void response.writeHead(404).end();
  response.writeHead(from > 0 ? 206 : 200, {
    'Content-Length': bytes - from,
    'X-Served-By': label,
    ETag: `"${bytes}"`,
    ...(from > 0 ? { 'Content-Range': `bytes ${from}-${bytes - 1}/${bytes}` } : {}),
  });
  trickle(response, from, bytes);
}

function trickle(response: ServerResponse, from: number, to: number): void {
  if (response.destroyed) return;
  const slice = content.subarray(from, Math.min(to, from + sliceBytes));
  addTo(samples, slice.length);
  response.write(slice);
  if (from + slice.length === to) response.end();
  else setTimeout(trickle, sliceMs, response, from + slice.length, to);
}

async function part(how: () => Promise<{ moved: number; reset: number }>): Promise<PartingSeen> {
  const [fromMs, before] = [monotonicMs(), answers];
  const { moved, reset } = await how();
  return { fromMs, tookMs: monotonicMs() - fromMs, active: before, moved, reset };
}

function countAnswers(more: number): void {
  answers += more;
  const bin = binNow();
  if (active.at(-1)?.[0] === bin) active.at(-1)![1] = answers;
  else active.push([bin, answers]);
}

function addTo(bins: [number, number][], bytes: number): void {
  const bin = binNow();
  const last = bins.at(-1);
  if (last?.[0] === bin) last[1] += bytes;
  else bins.push([bin, bytes]);
}

function binNow(): number {
  return Math.floor(monotonicMs() / binMs) * binMs;
}
