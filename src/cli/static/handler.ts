// Static files over HTTP/1.1: GET and HEAD, validators, ranges, directory pages. A plain node:http request listener,
// so that it knows nothing of services and is tested over node:net. What is sent is read from one open file, whose
// status also made the headers: a file replaced meanwhile cannot mix into an answer.

import { randomUUID } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { codeOf } from '../errors.ts';
import { contentTypeOf } from './content-type.ts';
import { EtagCache } from './etag.ts';
import { type ListedFile, listingPage } from './listing.ts';
import { realPathUnder, splitTarget } from './path.ts';
import { precondition, rangeApplies } from './preconditions.ts';
import { type ByteRange, parseRange } from './ranges.ts';

export interface StaticOptions {
  /** A real path (`fs.realpath`) of a directory. */
  readonly root: string;
  /** Show a directory without index.html as a page of links; false answers 404. */
  readonly listing: boolean;
  /** Serve names that begin with a dot. */
  readonly showHidden: boolean;
  /** Sent with each answer as X-Served-By: tells instances apart. */
  readonly label?: string;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const smallBytes = 256 * 1024;

export function createStaticHandler(options: StaticOptions): Handler {
  const etags = new EtagCache();
  return (request, response) => {
    answer(options, etags, request, response).catch((error: unknown) => fail(response, error));
  };
}

async function answer(
  options: StaticOptions,
  etags: EtagCache,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (options.label !== undefined) response.setHeader('X-Served-By', options.label);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(request, response, 405, 'method not allowed: only GET and HEAD\n');
  }
  const target = splitTarget(request.url ?? '/', options.showHidden);
  if (!target.ok)
    return sendText(request, response, target.status, target.status === 400 ? 'bad path\n' : 'not found\n');
  const real = await realPathUnder(options.root, target.segments);
  if (real === undefined) return sendText(request, response, 404, 'not found\n');
  // Non-blocking: opening a FIFO must not hang.
  const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat({ bigint: true });
    if (stats.isFile() && !target.directory) return await sendFile(etags, real, handle, stats, request, response);
    if (!stats.isDirectory()) return sendText(request, response, 404, 'not found\n');
    if (!target.directory && target.segments.length > 0) return redirect(request, response, target.segments);
  } finally {
    await handle.close();
  }
  await sendDirectory(options, etags, real, target.segments, request, response);
}

async function sendDirectory(
  options: StaticOptions,
  etags: EtagCache,
  real: string,
  segments: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const index = await openIndex(options.root, segments);
  if (index !== undefined) {
    try {
      const stats = await index.handle.stat({ bigint: true });
      if (stats.isFile()) return await sendFile(etags, index.path, index.handle, stats, request, response);
    } finally {
      await index.handle.close();
    }
  }
  if (!options.listing) return sendText(request, response, 404, 'not found\n');
  const entries = await readdir(real, { withFileTypes: true });
  const files: ListedFile[] = entries
    .filter((entry) => options.showHidden || !entry.name.startsWith('.'))
    .map((entry) => ({ name: entry.name, directory: entry.isDirectory() }));
  sendText(request, response, 200, listingPage(segments, files), 'text/html; charset=utf-8');
}

async function openIndex(
  root: string,
  segments: readonly string[],
): Promise<{ path: string; handle: FileHandle } | undefined> {
  try {
    const path = await realPathUnder(root, [...segments, 'index.html']);
    if (path === undefined) return undefined;
    return { path, handle: await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function sendFile(
  etags: EtagCache,
  path: string,
  handle: FileHandle,
  stats: BigIntStats,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const sizeBytes = Number(stats.size);
  const modifiedMs = Math.floor(Number(stats.mtimeMs) / 1000) * 1000;
  const validators = { etag: await etags.of(path, handle, stats), modifiedMs };
  response.setHeader('ETag', validators.etag);
  response.setHeader('Last-Modified', new Date(modifiedMs).toUTCString());
  response.setHeader('Accept-Ranges', 'bytes');
  const status = precondition(request.headers, validators);
  if (status === 304) return void response.writeHead(304).end();
  if (status === 412) return sendText(request, response, 412, 'precondition failed\n');
  const ifRange = request.headers['if-range']?.toString();
  // RFC 9110 section 14.2: Range is defined for GET alone.
  const wanted = request.method === 'GET' && rangeApplies(ifRange, validators) ? request.headers.range : undefined;
  const ranges = parseRange(wanted, sizeBytes);
  if (ranges === 'none') {
    response.setHeader('Content-Range', `bytes */${sizeBytes}`);
    return sendText(request, response, 416, 'range not satisfiable\n');
  }
  const type = contentTypeOf(path);
  if (ranges !== 'whole' && ranges.length > 1) return sendParts(handle, ranges, type, sizeBytes, response);
  const range = ranges === 'whole' ? { start: 0, end: sizeBytes - 1 } : ranges[0]!;
  response.statusCode = ranges === 'whole' ? 200 : 206;
  if (ranges !== 'whole') response.setHeader('Content-Range', contentRange(range, sizeBytes));
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', range.end - range.start + 1);
  if (request.method === 'HEAD') return void response.end();
  await sendRange(handle, range, response);
  response.end();
}

/** RFC 9110 section 14.6. */
async function sendParts(
  handle: FileHandle,
  ranges: readonly ByteRange[],
  type: string,
  sizeBytes: number,
  response: ServerResponse,
): Promise<void> {
  const boundary = randomUUID();
  const heads = ranges.map(
    (range, i) =>
      `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, sizeBytes)}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const bodyBytes = ranges.reduce((sum, range) => sum + range.end - range.start + 1, 0);
  const lengthBytes = Buffer.byteLength(heads.join('')) + bodyBytes + tail.length;
  response.writeHead(206, {
    'Content-Type': `multipart/byteranges; boundary=${boundary}`,
    'Content-Length': lengthBytes,
  });
  for (const [i, range] of ranges.entries()) {
    response.write(heads[i]);
    await sendRange(handle, range, response);
  }
  response.end(tail);
}

function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.start}-${range.end}/${sizeBytes}`;
}

/** Writes the bytes and leaves the response open. Throws when the file has become shorter: the answer is broken then. */
async function sendRange(handle: FileHandle, range: ByteRange, response: ServerResponse): Promise<void> {
  const length = range.end - range.start + 1;
  if (length <= 0) return;
  if (length <= smallBytes) {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(bytes, 0, length, range.start);
    if (bytesRead !== length) throw new Error('the file became shorter while it was sent');
    response.write(bytes);
    return;
  }
  const file = handle.createReadStream({ ...range, highWaterMark: smallBytes, autoClose: false });
  await pipeline(file, response, { end: false });
  if (file.bytesRead !== length) throw new Error('the file became shorter while it was sent');
}

/** To the same name with a slash; relative, so that no header of the client can lead elsewhere. */
function redirect(request: IncomingMessage, response: ServerResponse, segments: readonly string[]): void {
  const query = /\?[^#]*/.exec(request.url ?? '')?.[0] ?? '';
  response.setHeader('Location', `./${encodeURIComponent(segments.at(-1) ?? '')}/${query}`);
  sendText(request, response, 301, 'moved\n');
}

function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(request.method === 'HEAD' ? undefined : text);
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    // Too late for a status: only a broken connection tells the client that the content is not whole.
    response.destroy();
    return;
  }
  const code = codeOf(error);
  const absent =
    code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENAMETOOLONG' || code === 'ENXIO';
  const status = absent ? 404 : code === 'EACCES' || code === 'EPERM' ? 403 : 500;
  const text = status === 404 ? 'not found\n' : status === 403 ? 'forbidden\n' : 'internal error\n';
  for (const name of response.getHeaderNames()) if (name !== 'x-served-by') response.removeHeader(name);
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
