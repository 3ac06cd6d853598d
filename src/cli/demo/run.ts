// The main job, shown whole: a router, two instances of one service and a client, as separate processes; a download by
// name spreads over both instances; one is stopped politely in the middle and the rest comes from the other, without
// one failed request. Answers what was seen; whether that is good stands in one place (`judge`).

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, caracalCommand } from '../child.ts';
import { CliError, explain } from '../errors.ts';
import { formatBytes } from '../output.ts';
import { type DemoFile, makeContent } from './content.ts';
import { type ClientReport, parallelRequests } from './report.ts';

export interface InstanceSummary {
  readonly name: string;
  readonly requests: number;
  readonly bytes: number;
  /** Stopped politely on the way. */
  readonly stopped: boolean;
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
}

export interface DemoOutcome {
  readonly summary: DemoSummary;
  /** Why `ok` is false. */
  readonly problems: readonly string[];
}

export interface DemoOptions {
  /** Told one line per step. */
  readonly say: (line: string) => void;
  readonly onProgress: (bytes: number, totalBytes: number) => void;
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
  const instances = ['A', 'B'].map((name, i) =>
    start(`server ${name}`, caracalCommand(['serve', service, folders[i] ?? '', '--label', name])),
  );
  for (const instance of instances) {
    await instance.ready();
    say(`${instance.what}  pid ${instance.pid}, an instance of svc://${service}`);
  }
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify(files));
  const client = start('client', [process.execPath, join(import.meta.dirname, 'client.js'), service, manifest]);
  say(`client    pid ${client.pid}: fetches svc://${service}, a new connection for each file`);
  const seen = await watchClient(client, files, instances, say, onProgress);
  return finish(seen, files, router, instances, client);
}

/** What the client has reported, and what was done about it. */
interface Seen {
  readonly received: Map<string, Extract<ClientReport, { kind: 'file' }>>;
  readonly failed: Extract<ClientReport, { kind: 'failed' }>[];
  done: Extract<ClientReport, { kind: 'done' }> | undefined;
  stopped: Child | undefined;
  /** Whether the stopped one has ended, and what is reported from it after that: at most what was under way. */
  stoppedEnded: boolean;
  afterStop: number;
}

async function watchClient(
  client: Child,
  files: readonly DemoFile[],
  instances: readonly Child[],
  say: (line: string) => void,
  onProgress: (bytes: number, totalBytes: number) => void,
): Promise<Seen> {
  const seen: Seen = {
    received: new Map(),
    failed: [],
    done: undefined,
    stopped: undefined,
    stoppedEnded: false,
    afterStop: 0,
  };
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  client.onLine = (line) => {
    const report = JSON.parse(line) as ClientReport;
    if (report.kind === 'progress') onProgress(report.bytes, totalBytes);
    else if (report.kind === 'done') seen.done = report;
    else if (report.kind === 'failed') seen.failed.push(report);
    else {
      seen.received.set(report.name, report);
      if (seen.stoppedEnded && report.instance === 'A') seen.afterStop++;
    }
    const counts = requestCounts(seen);
    const half = seen.received.size >= files.length / 2;
    if (seen.stopped !== undefined || !half || counts.size < instances.length) return;
    seen.stopped = instances[0];
    say(`half way  ${countsText(counts)}; instance A is stopped politely (SIGTERM)`);
    instances[0]?.stop();
    instances[0]?.ended.then(() => {
      seen.stoppedEnded = true;
    });
  };
  const code = await client.ended;
  if (code !== 0 || seen.done === undefined) throw client.failure(`ended with ${code}`);
  say(`done      ${countsText(requestCounts(seen))}`);
  return seen;
}

function requestCounts(seen: Seen): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { instance } of seen.received.values()) counts.set(instance, (counts.get(instance) ?? 0) + 1);
  return new Map([...counts].sort());
}

function countsText(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${count} files from ${name}`).join(', ');
}

async function finish(
  seen: Seen,
  files: readonly DemoFile[],
  router: Child,
  instances: readonly Child[],
  client: Child,
): Promise<DemoOutcome> {
  for (const instance of instances) if (instance !== seen.stopped) instance.stop();
  const codes = new Map<Child, number>([[client, await client.ended]]);
  for (const instance of instances) codes.set(instance, await instance.ended);
  router.stop();
  codes.set(router, await router.ended);
  const problems = [...codes]
    .filter(([, code]) => code !== 0)
    .map(([{ what }, code]) => `the ${what} ended with ${code}`);
  const counters = parseCounters(router.lastLine);
  const received = [...seen.received.values()];
  const wanted = new Map(files.map((file) => [file.name, file.sha256]));
  const summary = {
    bytes: received.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256Ok: received.length === files.length && received.every(({ name, sha256 }) => wanted.get(name) === sha256),
    seconds: Math.round((seen.done?.seconds ?? 0) * 1000) / 1000,
    routerPackets: counters.packetsIn + counters.packetsOut,
    directPackets: seen.done?.packets ?? 0,
    instances: ['A', 'B'].map((name, i) => {
      const own = received.filter(({ instance }) => instance === name);
      const bytes = own.reduce((sum, file) => sum + file.bytes, 0);
      return { name, requests: own.length, bytes, stopped: instances[i] === seen.stopped };
    }),
  };
  problems.push(...judge(summary, seen, files));
  return { summary: { ok: problems.length === 0, ...summary }, problems };
}

function parseCounters(line: string): { packetsIn: number; packetsOut: number } {
  const parsed = JSON.parse(line) as { packetsIn?: unknown; packetsOut?: unknown };
  return { packetsIn: Number(parsed.packetsIn), packetsOut: Number(parsed.packetsOut) };
}

/** What must hold for the demo to have shown what it says. */
function judge(summary: Omit<DemoSummary, 'ok'>, seen: Seen, files: readonly DemoFile[]): string[] {
  const problems = seen.failed.map(({ name, error }) => `${name} was not fetched: ${error}`);
  const wantedBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (summary.bytes !== wantedBytes) problems.push(`${summary.bytes} bytes came, ${wantedBytes} were asked for`);
  if (!summary.sha256Ok) problems.push('the content is not what was served');
  if (seen.stopped === undefined) problems.push('no instance could be stopped on the way: one of them got no request');
  if (summary.instances.some(({ requests }) => requests === 0)) problems.push('an instance served nothing');
  if (seen.afterStop > parallelRequests) problems.push('the stopped instance was still asked after it had ended');
  const tags = new Set([...seen.received.values()].map(({ etag }) => etag));
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
