// One service of several processes on one machine, as many as there are cores for: each listens by the same name and is an
// instance of its own, found by it and sharing the load. There is nothing in front of them, no port that they must share, and
// one that ends takes its name back. Several ask here until all have answered.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from '../src/index.ts';

const count = 2;
const service = 'workers';

if (process.send !== undefined) work();
else await ask();

function work(): void {
  const server = createServer((socket) => socket.end(String(process.pid)));
  server.listen(service, () => process.send?.('listening'));
}

async function ask(): Promise<void> {
  const workers = Array.from({ length: count }, () => fork(import.meta.filename));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  console.log(`ready: ${count} processes serve ${service}`);
  const answered = new Set<string>();
  while (answered.size < count) answered.add(await answer(connect({ service })));
  console.log(`${answered.size} processes have answered`);
  if (process.argv.includes('--once')) for (const worker of workers) worker.kill();
}

async function answer(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}
