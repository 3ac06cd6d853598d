// How `caracal flows` and its like look into running stacks: each driver answers on a small Unix socket in a directory
// that only its user can enter. One connection, one JSON object. Nothing is served to other users, so nothing needs a
// password; a socket that nobody answers on is left over from a crash and is removed by whoever reads.

import { chmodSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

export interface Status {
  readonly pid: number;
  /** The program's file, or `node`. */
  readonly program: string;
  readonly uptimeSeconds: number;
  /** What the driver and its stack tell of themselves. */
  readonly [detail: string]: unknown;
}

const answerTimeoutMs = 1_000;
const mostPerProcess = 64;
const mostAnswerBytes = 64 << 20;
/** sockaddr_un holds 108 bytes with the final zero. */
const mostPathBytes = 107;

/**
 * Creates, if need be, the directory of this user's sockets. Throws when it belongs to somebody else or others could
 * enter it: ERR_CARACAL_RUNTIME_DIR.
 */
export function runtimeDirectory(): string {
  const user = process.getuid?.() ?? 0;
  const base = process.env['XDG_RUNTIME_DIR'];
  const own = join(tmpdir(), `caracal-${user}`);
  const fits = base !== undefined && base !== '' && Buffer.byteLength(base) < mostPathBytes - 40;
  const directory = fits ? join(base, 'caracal') : own;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const stats = lstatSync(directory);
  if (!stats.isDirectory() || stats.uid !== user || (stats.mode & 0o077) !== 0)
    throw Object.assign(new Error(`${directory} is not a directory of this user alone (mode 0700)`), {
      code: 'ERR_CARACAL_RUNTIME_DIR',
    });
  return directory;
}

/** Serves `describe` until the answered function is called or the process exits. A failure is silent: it serves people only. */
export function serveStatus(describe: () => object): () => void {
  let directory: string;
  try {
    directory = runtimeDirectory();
  } catch {
    return () => {};
  }
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end(answer(describe));
  });
  server.unref();
  let path = '';
  const remove = (): void => {
    if (path !== '') unlinkQuietly(path);
    path = '';
  };
  listen(server, directory, 0, (bound) => {
    path = bound;
    process.once('exit', remove);
  });
  return () => {
    process.removeListener('exit', remove);
    server.close();
    remove();
  };
}

/** The answers of all stacks of this user, by process id. Left-over sockets are removed. */
export async function readStatuses(): Promise<Status[]> {
  const directory = runtimeDirectory();
  const names = readdirSync(directory).filter((name) => /^\d+-\d+\.sock$/.test(name));
  const answers = await Promise.all(names.map((name) => readStatus(join(directory, name))));
  return answers.filter((status) => status !== undefined).sort((a, b) => a.pid - b.pid);
}

function answer(describe: () => object): string {
  const status: Status = {
    pid: process.pid,
    program: basename(process.argv[1] ?? 'node'),
    uptimeSeconds: Math.round(process.uptime()),
    ...describe(),
  };
  return `${JSON.stringify(status)}\n`;
}

/** A name may be taken by another stack of this process (a worker thread), or by one of an earlier process with our id. */
function listen(server: net.Server, directory: string, number: number, bound: (path: string) => void): void {
  const path = join(directory, `${process.pid}-${number}.sock`);
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EADDRINUSE' && number < mostPerProcess) listen(server, directory, number + 1, bound);
  };
  server.once('error', onError);
  server.listen(path, () => {
    server.removeListener('error', onError);
    if (!server.listening) return;
    chmodSync(path, 0o600);
    bound(path);
  });
}

function readStatus(path: string): Promise<Status | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = net.connect(path);
    socket.setTimeout(answerTimeoutMs, () => socket.destroy());
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostAnswerBytes) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') unlinkQuietly(path);
    });
    socket.on('close', () => resolve(parseStatus(Buffer.concat(chunks).toString())));
  });
}

function parseStatus(text: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'pid' in value ? (value as Status) : undefined;
  } catch {
    return undefined;
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Already gone.
  }
}
