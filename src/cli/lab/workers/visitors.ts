// Visitors of a web service (workers/web.ts): each asks for one answer after the other, over a connection of its own, and
// compares every byte. When an answer has gone on at another instance, our Agent tells; the visitor itself notices nothing.

import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { Agent } from '../../../index.ts';
import { monotonicMs, sleep } from '../clock.ts';
import { serveCommands, workerOptions } from './commands.ts';
import { type VisitSeen, type VisitsSeen, webBytes } from './protocol.ts';

interface Options {
  readonly service: string;
  readonly count: number;
  /** Of an answer: sizes are spread evenly between. */
  readonly leastBytes: number;
  readonly mostBytes: number;
  /** Until all have begun. */
  readonly spreadMs: number;
}

const { service, count, leastBytes, mostBytes, spreadMs } = workerOptions<Options>();
const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'caracal'), Buffer.alloc(16)).update(
  Buffer.alloc(webBytes),
);
const agent = new Agent();
const visits: VisitSeen[] = [];
const failures: string[] = [];
/** A step of the golden ratio through the sizes: spread evenly, and the same in every run. */
let asked = 0;
let open = true;
let visiting: Promise<void>[] = [];

serveCommands({
  begin() {
    visiting = Array.from({ length: count }, (_, i) => visit((spreadMs * i) / count));
  },
  async finish(): Promise<VisitsSeen> {
    open = false;
    await Promise.all(visiting);
    return { visits, failures };
  },
});

async function visit(afterMs: number): Promise<void> {
  await sleep(afterMs);
  while (open) {
    const share = (asked++ * 0.618_033_988_75) % 1;
    const bytes = Math.round(leastBytes + share * (mostBytes - leastBytes));
    try {
      visits.push(await fetchOne(bytes));
    } catch (error) {
      failures.push((error as Error).message);
      // A service that is gone is not asked without end.
      await sleep(500);
    }
  }
}

async function fetchOne(bytes: number): Promise<VisitSeen> {
  const movedMs: number[] = [];
  const request = get(`http://${service}.svc/${bytes}`, { agent });
  request.once('socket', (socket) => socket.on('resumed', () => movedMs.push(monotonicMs())));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const fromMs = monotonicMs();
  const label = String(response.headers['x-served-by']);
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
  let received = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (!content.subarray(received, received + chunk.length).equals(chunk)) throw new Error(`wrong at ${received}`);
    received += chunk.length;
  }
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes`);
  return { fromMs, toMs: monotonicMs(), label, movedMs };
}
