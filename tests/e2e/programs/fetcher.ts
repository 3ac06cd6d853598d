// Fetches a URL of a service as an application would, through `Agent` or through global fetch, tells when it has a part
// of it (and from whom), and at the end what it got: `fetcher agent|fetch URL BYTES`. A failure is told by its code.

import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { setGlobalDispatcher, Agent as UndiciAgent } from 'undici';
import { Agent, connector, type Resumed } from '../../../src/index.ts';
import { addToTally, createTally, readTally } from '../content.ts';

export interface Fetched {
  readonly bytes: number;
  readonly sha256: string;
  readonly error: string | undefined;
  /** The longest time without a byte. */
  readonly longestGapMs: number;
  readonly resumed: readonly Resumed[];
}

/** So that a fast machine is not done before it is interrupted: 200 MB/s at most. */
const sliceBytes = 2 ** 20;
const sliceMs = 5;

const resumed: Resumed[] = [];

interface Response {
  readonly server: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

async function throughAgent(url: string): Promise<Response> {
  const request = get(url, { agent: new Agent({ keepAlive: true }) });
  request.on('socket', (socket) => socket.on('resumed', (one: Resumed) => resumed.push(one)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  request.on('error', (error) => response.destroy(error));
  return { server: response.headers['x-served-by']?.toString(), body: response };
}

async function throughFetch(url: string): Promise<Response> {
  setGlobalDispatcher(new UndiciAgent({ connect: connector() }));
  const response = await fetch(url);
  return {
    server: response.headers.get('x-served-by') ?? undefined,
    body: response.body as unknown as AsyncIterable<Uint8Array>,
  };
}

async function main(how: string, url: string, partBytes: number): Promise<void> {
  const tally = createTally();
  const { server, body } = await (how === 'agent' ? throughAgent(url) : throughFetch(url));
  let [told, longestGapMs, lastMs, sliceEnd] = [false, 0, performance.now(), sliceBytes];
  let error: string | undefined;
  try {
    for await (const chunk of body) {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      addToTally(tally, chunk);
      if (tally.bytes >= partBytes && !told) {
        told = true;
        console.log(`part ${server}`);
      }
      for (; tally.bytes > sliceEnd; sliceEnd += sliceBytes) await sleep(sliceMs);
      lastMs = performance.now();
    }
  } catch (thrown) {
    error = codeOf(thrown) ?? String(thrown);
  }
  const fetched: Fetched = { ...readTally(tally), error, longestGapMs, resumed };
  console.log(`fetched ${JSON.stringify(fetched)}`);
}

/** fetch hides what happened behind its own error. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  return code ?? (cause === undefined ? undefined : codeOf(cause));
}

const [how = '', url = '', partBytes = ''] = process.argv.slice(2);
await main(how, url, Number(partBytes));
process.exit();
