// The demo's client, a process of its own: fetches every file of a manifest by service name, a new connection for each,
// a few at a time, and reports in JSON lines on stdout. It knows a name and nothing else: no address, no list of
// instances. Told to `move`, it moves every connection that it has to another address of this machine. A request that
// fails is reported and not repeated: the demo is to show that none does.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Agent, createDriver, setDefaultDriver } from '../../index.ts';
import { reasonOf } from '../errors.ts';
import type { DemoFile } from './content.ts';
import { type ClientReport, parallelRequests } from './report.ts';
import { Transfer } from './transfer.ts';

const progressMs = 25;
/** Where it moves: loopback has many addresses, on Linux without anybody's doing; elsewhere it says again where it is. */
const elsewhere = process.platform === 'linux' ? '127.0.0.2' : '0.0.0.0';

const driver = createDriver();
setDefaultDriver(() => driver);
const agent = new Agent({ keepAlive: false });
const underWay = new Set<Transfer>();
let bytes = 0;
let reportedMs = 0;

async function main(service: string, manifestPath: string): Promise<void> {
  const files = JSON.parse(await readFile(manifestPath, 'utf8')) as DemoFile[];
  const started = performance.now();
  const commands = createInterface({ input: process.stdin }).on('line', () => void moveAll());
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await fetchFile(service, file.name);
  };
  await Promise.all(Array.from({ length: parallelRequests }, worker));
  report({ kind: 'done', seconds: (performance.now() - started) / 1000, packets: directPackets() });
  commands.close();
}

async function fetchFile(service: string, name: string): Promise<void> {
  const transfer = new Transfer(name, {
    onBytes: count,
    onResumed: (pauseMs, asked) => report({ kind: 'resumed', pauseMs, asked }),
  });
  underWay.add(transfer);
  try {
    report(await transfer.run(service, agent));
  } catch (error) {
    report({ kind: 'failed', name, error: reasonOf(error) });
  }
  underWay.delete(transfer);
}

async function moveAll(): Promise<void> {
  const moving = [...underWay].map(async (transfer) => {
    const pauseMs = await transfer.move(elsewhere);
    if (pauseMs !== undefined) report({ kind: 'moved', pauseMs });
  });
  // One that ends meanwhile has nothing to move; one that is lost says so itself.
  await Promise.allSettled(moving);
}

function count(more: number): void {
  bytes += more;
  const nowMs = performance.now();
  if (nowMs - reportedMs < progressMs) return;
  reportedMs = nowMs;
  report({ kind: 'progress', bytes, underWay: [...underWay].map(({ instance, bytes }) => ({ instance, bytes })) });
}

function report(line: ClientReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** All packets of this stack but the first of each connection, which went by way of the router. */
function directPackets(): number {
  const { packetsIn, packetsOut, connectionsOpened } = driver.stack.inspect().counters;
  return packetsIn + packetsOut - connectionsOpened;
}

const [service = '', manifestPath = ''] = process.argv.slice(2);
await main(service, manifestPath);
