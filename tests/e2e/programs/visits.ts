// Requests without a pause, over keep-alive connections: `visits SERVICE PATH WORKERS [fresh]`, with `fresh` a new
// connection for each. A line on stdin prints what was done so far as JSON: how many, who served them, what failed.

import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { Agent } from '../../../src/index.ts';

const [service = '', path = '/', workers = '1', fresh] = process.argv.slice(2);
const agent = new Agent({ keepAlive: fresh === undefined, maxSockets: Number(workers) });
const served: Record<string, number> = {};
const failures: string[] = [];
let requests = 0;

function visit(): Promise<void> {
  return new Promise((resolve) => {
    const request = get(`http://${service}.svc${path}`, { agent }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.once('error', (error) => failures.push(error.message));
      response.once('close', () => {
        const label = String(response.headers['x-served-by']);
        served[label] = (served[label] ?? 0) + 1;
        if (response.statusCode !== 200 || bytes !== Number(response.headers['content-length']))
          failures.push(`${response.statusCode}, ${bytes} bytes`);
        resolve();
      });
    });
    request.once('error', (error) => {
      failures.push(`${error.message}${request.reusedSocket ? ' (a connection used before)' : ''}`);
      resolve();
    });
  });
}

async function work(): Promise<never> {
  for (;;) {
    await visit();
    requests++;
  }
}

for (let i = 0; i < Number(workers); i++) void work();
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify({ requests, served, failures })}\n`);
process.exit(0);
