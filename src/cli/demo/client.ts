// The demo's client, a process of its own: fetches every file of a manifest by service name, a new connection for each,
// a few at a time, and reports in JSON lines on stdout. It knows a name and nothing else: no address, no list of
// instances. A request that fails is reported and not repeated: the demo is to show that none does.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createDriver, setDefaultDriver } from '../../index.ts';
import { reasonOf } from '../errors.ts';
import { requestService } from '../http.ts';
import type { DemoFile } from './content.ts';
import { type ClientReport, parallelRequests } from './report.ts';

const progressMs = 100;

const driver = createDriver();
setDefaultDriver(() => driver);

async function main(service: string, manifestPath: string): Promise<void> {
  const files = JSON.parse(await readFile(manifestPath, 'utf8')) as DemoFile[];
  const started = performance.now();
  let bytes = 0;
  let reportedMs = 0;
  const onBytes = (count: number): void => {
    bytes += count;
    if (performance.now() - reportedMs < progressMs) return;
    reportedMs = performance.now();
    report({ kind: 'progress', bytes });
  };
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift())
      report(await fetchFile(service, file.name, onBytes));
  };
  await Promise.all(Array.from({ length: parallelRequests }, worker));
  report({ kind: 'done', seconds: (performance.now() - started) / 1000, packets: directPackets() });
}

async function fetchFile(service: string, name: string, onBytes: (count: number) => void): Promise<ClientReport> {
  try {
    const response = await requestService({ service, path: `/${name}` });
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
    }
    const instance = String(response.headers['x-served-by']);
    return { kind: 'file', name, instance, bytes, sha256: hash.digest('hex'), etag: response.headers.etag ?? '' };
  } catch (error) {
    return { kind: 'failed', name, error: reasonOf(error) };
  }
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
