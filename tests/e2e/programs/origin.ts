// An instance that sends slowly, so that a download is under way for long and costs little: `origin SERVICE LABEL FILE`
// serves FILE at /file, whole or from an offset on, 4 KiB every half a second to each client, and after a line on stdin all that
// is left.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { serve } from '../../../src/index.ts';

const [service = '', label = '', file = ''] = process.argv.slice(2);
const content = readFileSync(file);
const chunkBytes = 4096;
let pauseMs = 500;

createInterface({ input: process.stdin }).once('line', () => {
  pauseMs = 0;
});
// An instance that has been drained ends by itself, whoever may still speak.
process.stdin.unref();

const http = createServer((request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, {
    'Content-Length': content.length - from,
    'X-Served-By': label,
    ETag: '"one"',
    ...(from > 0 ? { 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  trickle(response, from);
});

function trickle(response: ServerResponse, from: number): void {
  if (from >= content.length) return void response.end();
  response.write(content.subarray(from, from + chunkBytes));
  if (!response.destroyed) setTimeout(trickle, pauseMs, response, from + chunkBytes);
}

const serving = serve(http, service);
await serving.ready;
process.stdout.write(`ready svc://${service}\n`);
await once(process, 'SIGTERM');
process.stdout.write(`${JSON.stringify(await serving.drain({ deadlineMs: 60_000 }))}\n`);
