// A download. That an instance is lost on the way is the connection's business (resuming in sockets): what is left here
// is to go on where an earlier run was stopped, and to begin again when the content has changed. Into a file it goes by
// way of FILE.part, renamed at the end, with its strong ETag beside it in FILE.part.etag: a later run asks for the rest
// (Range) of the very same content (If-Range), from whatever instance answers.

import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PathOptions, Resumed, SecurityOptions } from '../index.ts';
import { parseServiceUrl, type ServiceUrl } from './arguments.ts';
import { CliError, codeOf, explain, reasonOf } from './errors.ts';
import { requestService } from './http.ts';
import { note } from './output.ts';
import { createProgress, type Progress } from './progress.ts';

export interface DownloadResult {
  readonly status: number;
  /** Of the whole content, what an earlier run had fetched included. */
  readonly bytes: number;
  /** Fetched before this run. */
  readonly resumedBytes: number;
  readonly sha256: string;
  readonly etag: string | undefined;
  readonly seconds: number;
}

export interface DownloadOptions {
  readonly security?: SecurityOptions;
  readonly paths?: PathOptions | undefined;
}

/** Where the bytes go; counts and hashes them. */
interface Sink {
  bytes: number;
  /** Of those, what an earlier run had fetched. */
  resumedBytes: number;
  hash: Hash;
  /** The content that `bytes` belong to. */
  etag: string | undefined;
  write(chunk: Uint8Array): Promise<void>;
  /** A new version begins: forget what was taken. False when it is already out. */
  restart(etag: string | undefined): Promise<boolean>;
}

/** Versions of the content that are begun, one after the other, while it changes. */
const maxVersions = 5;
const maxRedirects = 10;

/** `path` undefined: to `stream` (and nowhere, when that is undefined too). Throws CliError. */
export async function download(
  url: ServiceUrl,
  target: { readonly path: string } | { readonly stream: Writable | undefined },
  how: DownloadOptions = {},
): Promise<DownloadResult> {
  const started = performance.now();
  if (!('path' in target)) return fetchInto(streamSink(target.stream), url, how, started);
  const { path } = target;
  const partial = await openPartial(path, url);
  let result: DownloadResult;
  try {
    result = await fetchInto(partial.sink, url, how, started);
    await partial.handle.sync();
  } finally {
    await partial.handle.close();
    await partial.tidy();
  }
  await rename(`${path}.part`, path).catch((error: unknown) => {
    throw explain(error, `write ${path}`);
  });
  await rm(`${path}.part.etag`, { force: true });
  return result;
}

async function fetchInto(sink: Sink, url: ServiceUrl, how: DownloadOptions, started: number): Promise<DownloadResult> {
  let where = url;
  for (let versions = 1, redirects = 0; ; ) {
    try {
      const response = await requestService({ ...where, ...how, headers: requestHeaders(sink), onResumed: tell });
      const moved = redirectOf(where, response);
      if (moved !== undefined) {
        response.destroy();
        if (++redirects > maxRedirects) throw new CliError(`more than ${maxRedirects} redirects from ${label(url)}`);
        where = moved;
        continue;
      }
      const status = await takeBody(sink, where, response);
      const { bytes, resumedBytes, etag } = sink;
      const seconds = Math.round(performance.now() - started) / 1000;
      return { status, bytes, resumedBytes, sha256: sink.hash.digest('hex'), etag, seconds };
    } catch (error) {
      if (codeOf(error) !== 'ERR_CARACAL_ENTITY_CHANGED' || ++versions > maxVersions)
        throw explain(error, `fetch ${label(where)}`, `caracal describe ${where.service}`);
      note(`caracal: ${reasonOf(error)}`);
    }
  }
}

function tell({ offset, reason, tookMs }: Resumed): void {
  note(
    `caracal: went on at another instance, ${offset} bytes into the answer, after ${Math.round(tookMs)} ms (${reason})`,
  );
}

function requestHeaders(sink: Sink): Record<string, string> {
  const resume = sink.bytes > 0 && sink.etag !== undefined;
  return {
    'accept-encoding': 'identity',
    ...(resume ? { range: `bytes=${sink.bytes}-`, 'if-range': sink.etag ?? '' } : {}),
  };
}

/** Answers the status; 200 too where an earlier run already had everything (then the range asked for is empty: 416). */
async function takeBody(sink: Sink, url: ServiceUrl, response: IncomingMessage): Promise<number> {
  const { statusCode: status = 0, headers } = response;
  const etag = headers.etag?.startsWith('"') ? headers.etag : undefined;
  if (status === 416 && sink.bytes > 0 && headers['content-range'] === `bytes */${sink.bytes}`) {
    response.resume();
    return 200;
  }
  if (status === 206 && sink.bytes > 0) {
    const range = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(headers['content-range'] ?? '');
    if (Number(range?.[1]) !== sink.bytes) throw new CliError(`${label(url)}: the answer is not the range asked for`);
  } else if (status >= 200 && status < 300) {
    if (!(await sink.restart(etag))) {
      response.destroy();
      throw new CliError(`${label(url)}: the content changed while it was fetched, and the first part is already out`);
    }
  } else {
    response.destroy();
    throw new CliError(`${label(url)}: the service answered ${status} ${response.statusMessage ?? ''}`.trimEnd());
  }
  await copyBody(sink, url, response);
  return status;
}

async function copyBody(sink: Sink, url: ServiceUrl, response: IncomingMessage): Promise<void> {
  const length = response.headers['content-length'];
  const total = length === undefined ? undefined : sink.bytes + Number(length);
  const name = url.path.replace(/\?.*$/, '').split('/').pop() || url.service;
  const progress: Progress = createProgress(name, total, sink.bytes);
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      await sink.write(chunk);
      sink.bytes += chunk.length;
      sink.hash.update(chunk);
      progress.advance(chunk.length);
    }
  } finally {
    progress.finish();
  }
}

/** Where a 3xx leads; undefined when it is none. A redirect may change the service, never leave the network of services. */
function redirectOf(url: ServiceUrl, response: IncomingMessage): ServiceUrl | undefined {
  const { statusCode: status = 0, headers } = response;
  if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) return undefined;
  const location = headers.location;
  if (/^svc:/i.test(location)) return parseServiceUrl(location);
  let resolved: URL;
  try {
    resolved = new URL(location, `http://${url.service}.svc${url.path}`);
  } catch {
    throw new CliError(`${label(url)}: redirected to "${location}", which is not a URL`);
  }
  if (resolved.protocol !== 'http:' || !resolved.hostname.endsWith('.svc'))
    throw new CliError(`${label(url)}: redirected to ${location}, which is not a service`);
  return { service: resolved.hostname.slice(0, -4), path: resolved.pathname + resolved.search };
}

function label(url: ServiceUrl): string {
  return `svc://${url.service}${url.path}`;
}

function streamSink(stream: Writable | undefined): Sink {
  const sink: Sink = {
    bytes: 0,
    resumedBytes: 0,
    hash: createHash('sha256'),
    etag: undefined,
    async write(chunk) {
      if (stream !== undefined && !stream.write(chunk)) await once(stream, 'drain');
    },
    async restart(etag) {
      sink.etag = etag;
      return sink.bytes === 0;
    },
  };
  return sink;
}

interface Partial {
  readonly handle: FileHandle;
  readonly sink: Sink;
  /** After a failure: what cannot be resumed is removed. */
  tidy(): Promise<void>;
}

async function openPartial(path: string, url: ServiceUrl): Promise<Partial> {
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory()) throw new CliError(`cannot write ${path}: it is a directory`);
  const part = `${path}.part`;
  const state = `${part}.etag`;
  const handle = await open(part, 'a+').catch((error: unknown) => {
    throw explain(error, `write ${part}`);
  });
  const sink: Sink = {
    bytes: 0,
    resumedBytes: 0,
    hash: createHash('sha256'),
    etag: undefined,
    async write(chunk) {
      for (let written = 0; written < chunk.length; ) {
        const { bytesWritten } = await handle.write(chunk, written, chunk.length - written).catch((error: unknown) => {
          throw explain(error, `write ${part}`);
        });
        written += bytesWritten;
      }
    },
    async restart(etag) {
      await handle.truncate(0);
      sink.bytes = 0;
      sink.resumedBytes = 0;
      sink.hash = createHash('sha256');
      sink.etag = etag;
      if (etag === undefined) await rm(state, { force: true });
      else await writeFile(state, `${label(url)}\n${etag}\n`);
      return true;
    },
  };
  const [knownUrl, knownEtag] = (await readFile(state, 'utf8').catch(() => '')).split('\n');
  const { size } = await handle.stat();
  if (size > 0 && knownUrl === label(url) && knownEtag?.startsWith('"')) {
    await pipeline(createReadStream(part), sink.hash, { end: false });
    sink.bytes = size;
    sink.resumedBytes = size;
    sink.etag = knownEtag;
  }
  const tidy = async (): Promise<void> => {
    if (sink.bytes === 0 || sink.etag === undefined) await rm(state, { force: true });
    if (sink.bytes === 0) await rm(part, { force: true });
  };
  return { handle, sink, tidy };
}
