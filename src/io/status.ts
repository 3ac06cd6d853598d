// How `caracal flows` and its like look into running stacks, and `caracal drain` and its like tell them what to do: each
// driver answers on a small Unix socket in a directory that only its user can enter. Who connects says nothing, and is
// told the status, or one request; JSON, one object a line, the last of which is the answer. What its user may do by a
// signal he may do here, so nothing needs a password. Left-over sockets of a crash are removed by whoever reads.

import { chmodSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

export interface Status {
  readonly pid: number;
  /** The program's file, or `node`. */
  readonly program: string;
  readonly uptimeSeconds: number;
  /** Of the socket that told it: where requests for this stack go. Added by the reader. */
  readonly path?: string;
  /** What the driver and its stack tell of themselves. */
  readonly [detail: string]: unknown;
}

/** Carries out a request of the process's user; `tell` says how it goes meanwhile. Rejects if it cannot. */
export type Operate = (request: unknown, tell: (progress: object) => void) => Promise<object>;

/** What a stack said to a request, last of all. */
type Answer = { readonly answer: object } | { readonly error: string };

const answerTimeoutMs = 1_000;
const mostRequestBytes = 4096;
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

/**
 * Serves `describe`, and `operate` to who asks for something, until the answered function is called or the process exits. A
 * failure is silent: it serves people only.
 */
export function serveStatus(describe: () => object, operate?: Operate): () => void {
  let directory: string;
  try {
    directory = runtimeDirectory();
  } catch {
    return () => {};
  }
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    readRequest(socket, (text) => {
      if (text === '') socket.end(statusLine(describe));
      else void carryOut(socket, text, operate);
    });
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

/** The answers of all stacks of this user within `patienceMs`, by process id. Left-over sockets are removed. */
export async function readStatuses(patienceMs = answerTimeoutMs): Promise<Status[]> {
  const directory = runtimeDirectory();
  const names = readdirSync(directory).filter((name) => /^\d+-\d+\.sock$/.test(name));
  const answers = await Promise.all(names.map((name) => readStatus(join(directory, name), patienceMs)));
  return answers.filter((status) => status !== undefined).sort((a, b) => a.pid - b.pid);
}

/** Asks the stack whose socket is at `path`. Rejects with the words of who refuses, or when it ends without an answer. */
export function askStack(path: string, request: object, onProgress: (progress: object) => void): Promise<object> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path);
    let answer: Answer = { error: 'it ended without an answer' };
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const said = parseObject(line) ?? {};
        if ('answer' in said || 'error' in said) answer = said as Answer;
        else onProgress(said);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => ('answer' in answer ? resolve(answer.answer) : reject(new Error(answer.error))));
    socket.end(`${JSON.stringify(request)}\n`);
  });
}

/** All that comes until the other end has said everything. */
function readRequest(socket: net.Socket, done: (text: string) => void): void {
  let text = '';
  socket.setTimeout(answerTimeoutMs, () => socket.destroy());
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.length > mostRequestBytes) socket.destroy();
  });
  socket.on('end', () => {
    socket.setTimeout(0);
    done(text);
  });
}

async function carryOut(socket: net.Socket, text: string, operate: Operate | undefined): Promise<void> {
  const tell = (said: object): void => void (socket.writable && socket.write(`${JSON.stringify(said)}\n`));
  try {
    if (operate === undefined) throw new Error('this program takes no requests');
    tell({ answer: await operate(parseObject(text), tell) } satisfies Answer);
  } catch (error) {
    tell({ error: (error as Error).message } satisfies Answer);
  }
  socket.end();
}

function statusLine(describe: () => object): string {
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
    if (!server.listening || !makePrivate(path)) return;
    bound(path);
  });
}

/** False: somebody has removed it meanwhile, and nobody can ask; no reason for a program to end. */
function makePrivate(path: string): boolean {
  try {
    chmodSync(path, 0o600);
    return true;
  } catch {
    return false;
  }
}

function readStatus(path: string, patienceMs: number): Promise<Status | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = net.connect(path);
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostAnswerBytes) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && !isRunning(Number.parseInt(basename(path), 10))) unlinkQuietly(path);
    });
    socket.on('close', () => {
      const value = parseObject(Buffer.concat(chunks).toString());
      resolve(value !== undefined && 'pid' in value ? ({ ...value, path } as Status) : undefined);
    });
    socket.end();
  });
}

/** A socket between bind and listen refuses, too, for a moment. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
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
