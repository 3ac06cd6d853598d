// A client of streams.ts with failover: `stream-client SERVICE feed|echo BYTES PART_BYTES [KEEP_BYTES]`. Says when it has a
// part, and at the end what it got and how it went on. To an echo it sends no more ahead of what came back than it keeps.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Failover } from '../../../src/index.ts';
import { addToTally, createTally, makeContent, readTally } from '../content.ts';

export interface Got {
  readonly bytes: number;
  readonly sha256: string;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly error: string | undefined;
  readonly message: string | undefined;
  readonly failovers: readonly Failover[];
  /** The longest time without a byte. */
  readonly longestGapMs: number;
}

/** So that a fast machine is not done before it is interrupted: 200 MB/s at most. */
const sliceBytes = 2 ** 20;
const sliceMs = 5;

const [service = '', kind = '', bytes = '', partBytes = '', keepBytes = '1000000'] = process.argv.slice(2);
const wantedBytes = Number(bytes);
const tally = createTally();
const failovers: Failover[] = [];
const socket = connect({ service, failover: { token: `client ${process.pid}`, keepBytes: Number(keepBytes) } });
socket.on('failover', (failover: Failover) => failovers.push(failover));

async function send(): Promise<void> {
  for (const block of makeContent(wantedBytes, 62)) {
    while (socket.bytesWritten + block.length > tally.bytes + 500_000) await once(socket, 'data');
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
}

async function main(): Promise<void> {
  let [told, longestGapMs, lastMs, sliceEnd] = [false, 0, performance.now(), sliceBytes];
  let error: NodeJS.ErrnoException | undefined;
  if (kind === 'feed') socket.write(`${wantedBytes}\n`);
  const sent = kind === 'echo' ? send().catch(() => {}) : undefined;
  try {
    for await (const chunk of socket) {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      addToTally(tally, chunk);
      if (tally.bytes >= Number(partBytes) && !told) {
        told = true;
        console.log('part');
      }
      for (; tally.bytes > sliceEnd; sliceEnd += sliceBytes) await sleep(sliceMs);
      lastMs = performance.now();
    }
    await sent;
  } catch (thrown) {
    error = thrown as NodeJS.ErrnoException;
  }
  const { bytesRead, bytesWritten } = socket;
  const got: Got = {
    ...readTally(tally),
    bytesRead,
    bytesWritten,
    error: error?.code,
    message: error?.message,
    failovers,
    longestGapMs,
  };
  console.log(`got ${JSON.stringify(got)}`);
}

await main();
process.exit();
