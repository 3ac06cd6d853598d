// The main job, shown whole: a router, three instances of one service and a client, as separate processes. A download by
// name spreads over the instances; the client moves to another address, one instance is stopped politely, one is killed in
// the middle of an answer, and no request fails (watch.ts). Answers what was seen; whether that is good stands in one
// place (`judge`).

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, caracalCommand } from '../child.ts';
import { CliError, explain } from '../errors.ts';
import { formatBytes } from '../output.ts';
import { type DemoFile, makeContent } from './content.ts';
import { type ClientReport, parallelRequests } from './report.ts';
import { type Instance, Watch } from './watch.ts';

export interface InstanceSummary {
  readonly name: string;
  /** Files whose answer it began, and their bytes; the rest of some came from another one. */
  readonly requests: number;
  readonly bytes: number;
  /** Stopped politely on the way. */
  readonly stopped: boolean;
  /** In the middle of an answer. */
  readonly killed: boolean;
}

/** How long no byte came, milliseconds, at one connection or answer. */
export interface Pause {
  readonly pauseMs: number;
}

/** The fields of `caracal demo --json`, in its order. */
export interface DemoSummary {
  readonly ok: boolean;
  readonly bytes: number;
  readonly sha256Ok: boolean;
  readonly seconds: number;
  /** Packets that the router received or sent, registrations included. */
  readonly routerPackets: number;
  /** Packets between the client and the instances, counted on the wire at the client. */
  readonly directPackets: number;
  readonly instances: readonly InstanceSummary[];
  /** Connections that moved to another address of the client, in the middle of an answer. */
  readonly migrations: readonly Pause[];
  /** Answers that went on at another instance after theirs was killed. */
  readonly failovers: readonly Pause[];
}

export interface DemoOutcome {
  readonly summary: DemoSummary;
  /** Why `ok` is false. */
  readonly problems: readonly string[];
}

export interface DemoOptions {
  /** Told one line per step. */
  readonly say: (line: string) => void;
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

const service = 'demo-files';
const fileCount = 16;
const fileBytes = 16 * 1024 * 1024;
const deadlineMs = 55_000;

/** Runs it; throws CliError when it cannot even be set up or is aborted. Nothing is left behind. */
export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'caracal-demo-'));
  const started: Child[] = [];
  try {
    return await withDeadline(play(folder, started, options), options.signal);
  } finally {
    for (const child of started) child.stop('SIGKILL');
    await Promise.all(started.map((child) => child.ended));
    await rm(folder, { recursive: true, force: true });
  }
}

async function play(folder: string, started: Child[], { say, onProgress }: DemoOptions): Promise<DemoOutcome> {
  const folders = [join(folder, 'a'), join(folder, 'b')] as const;
  say(`content   ${fileCount} files, ${formatBytes(fileCount * fileBytes)}, the same in two directories of ${folder}`);
  const files = await makeContent(folders, fileCount, fileBytes).catch((error: unknown) => {
    throw explain(
      error,
      `write ${formatBytes(2 * fileCount * fileBytes)} to ${folder}`,
      'TMPDIR=/elsewhere caracal demo',
    );
  });
  const env: NodeJS.ProcessEnv = { ...process.env, CARACAL_ALIASES: join(folder, 'no-aliases') };
  delete env['CARACAL_ROUTER'];
  const start = (what: string, command: readonly string[]): Child => {
    const child = new Child(what, command, { env });
    started.push(child);
    return child;
  };
  const routerArgs = ['router', '--host', '127.0.0.1', '--port', '0', '--no-discovery', '--no-learning', '--json'];
  const router = start('router', caracalCommand(routerArgs));
  const address = /127\.0\.0\.1:\d+/.exec(await router.ready())?.[0];
  if (address === undefined) throw router.failure('did not say where it is');
  env['CARACAL_ROUTER'] = address;
  say(`router    ${address}, pid ${router.pid}`);
  const instances = ['A', 'B', 'C'].map((name, i): Instance => {
    const args = ['serve', service, folders[i % folders.length] ?? '', '--label', name];
    return { name, child: start(`server ${name}`, caracalCommand(args)) };
  });
  for (const { child } of instances) {
    await child.ready();
    say(`${child.what}  pid ${child.pid}, an instance of svc://${service}`);
  }
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify(files));
  const client = start('client', [process.execPath, join(import.meta.dirname, 'client.js'), service, manifest]);
  say(`client    pid ${client.pid}: fetches svc://${service}, a new connection for each file`);
  const watch = new Watch(files, instances, client, say);
  client.onLine = (line) => {
    const report = JSON.parse(line) as ClientReport;
    watch.take(report);
    if (report.kind === 'progress') onProgress(report.bytes);
  };
  const code = await client.ended;
  if (code !== 0 || watch.done === undefined) throw client.failure(`ended with ${code}`);
  say(`done      ${watch.countsText()}`);
  return finish(watch, files, router, instances);
}

async function finish(
  watch: Watch,
  files: readonly DemoFile[],
  router: Child,
  instances: readonly Instance[],
): Promise<DemoOutcome> {
  for (const instance of instances) if (instance !== watch.stopped) instance.child.stop();
  const problems: string[] = [];
  for (const instance of instances) {
    const code = await instance.child.ended;
    if (code !== 0 && instance !== watch.killed) problems.push(`the ${instance.child.what} ended with ${code}`);
  }
  router.stop();
  const code = await router.ended;
  if (code !== 0) problems.push(`the router ended with ${code}`);
  const summary = summarize(watch, files, router, instances);
  problems.push(...judge(summary, watch, files));
  return { summary: { ok: problems.length === 0, ...summary }, problems };
}

function summarize(
  watch: Watch,
  files: readonly DemoFile[],
  router: Child,
  instances: readonly Instance[],
): Omit<DemoSummary, 'ok'> {
  const counters = parseCounters(router.lastLine);
  const received = [...watch.received.values()];
  const wanted = new Map(files.map((file) => [file.name, file.sha256]));
  const pauses = (reports: readonly Pause[]): Pause[] => reports.map(({ pauseMs }) => ({ pauseMs: rounded(pauseMs) }));
  return {
    bytes: received.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256Ok: received.length === files.length && received.every(({ name, sha256 }) => wanted.get(name) === sha256),
    seconds: rounded(watch.done?.seconds ?? 0),
    routerPackets: counters.packetsIn + counters.packetsOut,
    directPackets: watch.done?.packets ?? 0,
    instances: instances.map((one) => {
      const own = received.filter(({ instance }) => instance === one.name);
      const bytes = own.reduce((sum, file) => sum + file.bytes, 0);
      return {
        name: one.name,
        requests: own.length,
        bytes,
        stopped: one === watch.stopped,
        killed: one === watch.killed,
      };
    }),
    migrations: pauses(watch.moves),
    failovers: pauses(watch.resumed.filter(({ asked }) => !asked)),
  };
}

/** To a thousandth. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function parseCounters(line: string): { packetsIn: number; packetsOut: number } {
  const parsed = JSON.parse(line) as { packetsIn?: unknown; packetsOut?: unknown };
  return { packetsIn: Number(parsed.packetsIn), packetsOut: Number(parsed.packetsOut) };
}

/** What must hold for the demo to have shown what it says. */
function judge(summary: Omit<DemoSummary, 'ok'>, watch: Watch, files: readonly DemoFile[]): string[] {
  const problems = watch.failed.map(({ name, error }) => `${name} was not fetched: ${error}`);
  const wantedBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (summary.bytes !== wantedBytes) problems.push(`${summary.bytes} bytes came, ${wantedBytes} were asked for`);
  if (!summary.sha256Ok) problems.push('the content is not what was served');
  if (watch.stopped === undefined) problems.push('no instance was stopped on the way');
  if (watch.killed === undefined) problems.push('no instance could be killed in the middle of an answer');
  if (summary.migrations.length === 0) problems.push('no connection moved');
  if (summary.failovers.length === 0) problems.push('no answer went on at another instance');
  if (watch.afterStop > parallelRequests) problems.push('the stopped instance was still asked after it had ended');
  const tags = new Set([...watch.received.values()].map(({ etag }) => etag));
  if (tags.size !== files.length) problems.push('the instances gave different ETags for equal files');
  if (!(summary.routerPackets > 0 && summary.routerPackets < summary.directPackets))
    problems.push('the router carried more than the first packets');
  return problems;
}

async function withDeadline<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CliError(`not done within ${deadlineMs / 1000} s`)), deadlineMs);
    signal.addEventListener('abort', () => reject(new CliError('interrupted')), { once: true });
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
