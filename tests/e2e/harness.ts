// Real processes for end-to-end tests: start them, wait for what they print, end them. Every wait has a deadline and
// says what it waited for; every child belongs to one test and is ended by its pid when that test is over, whatever
// happened. Nothing is found by name, so that two runs on one machine do not meet.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Where package.json stands. */
export const root = findRoot();
export const isRoot = process.getuid?.() === 0;

const defaultDeadlineMs = 20_000;
/** For what children have to remove when a test is over. */
const farewellMs = 200;

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Name of a network namespace (topology.ts). */
  readonly namespace?: string | undefined;
  /** Run as nobody; only root can. */
  readonly nobody?: boolean;
  /** Arguments of node itself. */
  readonly nodeArgs?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One running program. What it printed is kept, so that a wait may come after the line. */
export class Child {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  ended = false;
  private readonly process: ChildProcess;
  private readonly what: string;
  private readonly listeners = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: { env: NodeJS.ProcessEnv; cwd: string }) {
    this.what = args.filter((argument) => !argument.startsWith('/')).join(' ');
    this.process = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.process.pid ?? -1;
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.take('stdout', text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.take('stderr', text));
    this.process.stdin?.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.process.on('error', (error) => this.take('stderr', `${error.message}\n`));
      this.process.on('close', (code, signal) => {
        this.ended = true;
        resolve({ code, signal });
        this.wake();
      });
    });
  }

  private take(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    this.wake();
  }

  private wake(): void {
    for (const listener of this.listeners) listener();
  }

  /** The first match in what it printed. Fails at the deadline, or when it ends without printing it. */
  line(
    pattern: RegExp,
    deadlineMs = defaultDeadlineMs,
    stream: 'stdout' | 'stderr' = 'stdout',
  ): Promise<RegExpMatchArray> {
    return this.printed(`${pattern}`, () => this[stream].match(pattern) ?? undefined, deadlineMs);
  }

  /** What `find` finds in what it printed, asked again whenever there is more; `what` is said when that fails, as above. */
  printed<T>(what: string, find: () => T | undefined, deadlineMs = defaultDeadlineMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.listeners.delete(check);
        settle();
      };
      const fail = (why: string): void => finish(() => reject(new Error(`${why} ${what}\n${this.describe()}`)));
      const check = (): void => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.ended) fail('ended without printing');
      };
      const timer = setTimeout(() => fail(`did not print within ${deadlineMs} ms:`), deadlineMs);
      this.listeners.add(check);
      check();
    });
  }

  /** How it ended; fails if it has not by the deadline. */
  async exit(deadlineMs = defaultDeadlineMs): Promise<Exit> {
    const exit = await Promise.race([this.exited, sleep(deadlineMs)]);
    if (!exit) throw new Error(`still running after ${deadlineMs} ms\n${this.describe()}`);
    return exit;
  }

  write(text: string): void {
    this.process.stdin?.write(text);
  }

  endInput(): void {
    this.process.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    if (!this.ended) this.process.kill(name);
  }

  /** Politely, then by force. */
  async stop(patienceMs = 3000): Promise<Exit> {
    this.signal('SIGTERM');
    const exit = await Promise.race([this.exited, sleep(patienceMs)]);
    if (exit) return exit;
    this.signal('SIGKILL');
    return this.exited;
  }

  describe(): string {
    return `--- ${this.what} (pid ${this.pid})\nstdout: ${this.stdout.slice(-2000)}\nstderr: ${this.stderr.slice(-2000)}`;
  }
}

/** All that one test starts; ended when the test is over. */
export class Stage {
  /** host:port of the router that children are told of, once there is one. */
  routerAddress: string | undefined;
  readonly folder: string;
  private readonly children: Child[] = [];

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'caracal-e2e-'));
    // Children that run as nobody have it as their working directory.
    chmodSync(this.folder, 0o755);
    t.after(() => this.end());
  }

  /** Who takes leave of its peers would wait in vain: they end, too. */
  async end(): Promise<void> {
    await Promise.all(this.children.map((child) => child.stop(farewellMs)));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Any program. */
  start(command: string, args: readonly string[], options: StartOptions = {}): Child {
    let line = [command, ...args];
    if (options.nobody && isRoot) line = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...line];
    if (options.namespace) line = ['ip', 'netns', 'exec', options.namespace, ...line];
    const env = {
      ...process.env,
      ...this.cleanEnv(),
      ...(options.nobody ? { XDG_RUNTIME_DIR: undefined } : {}),
      ...options.env,
    };
    const [first = '', ...rest] = line;
    const child = new Child(first, rest, { env, cwd: options.cwd ?? this.folder });
    this.children.push(child);
    return child;
  }

  /** Nothing of the person's own set-up, and nothing of the test runner's, may reach a child. */
  private cleanEnv(): NodeJS.ProcessEnv {
    return {
      XDG_CONFIG_HOME: this.folder,
      XDG_RUNTIME_DIR: this.folder,
      NODE_TEST_CONTEXT: undefined,
      CARACAL_ALIASES: undefined,
      CARACAL_KNOWN: undefined,
      CARACAL_LINK: undefined,
      CARACAL_CRYPTO: undefined,
      CARACAL_ROUTER: this.routerAddress,
      CARACAL_TRUST: undefined,
    };
  }

  /** What its stack tells `caracal flows` and its like, at once: a command line would take a while to start. */
  async status<T>({ pid }: Child): Promise<T> {
    const socket = connect(join(this.folder, 'caracal', `${pid}-0.sock`))
      .setEncoding('utf8')
      .end();
    let text = '';
    for await (const part of socket) text += part;
    return JSON.parse(text) as T;
  }

  /** A program below tests/e2e/programs. */
  program(name: string, args: readonly string[] = [], options: StartOptions = {}): Child {
    const path = join(here, 'programs', `${name}.js`);
    return this.start(process.execPath, [...(options.nodeArgs ?? []), path, ...args], options);
  }

  /** The command line, as a user starts it. */
  caracal(args: readonly string[], options: StartOptions = {}): Child {
    const home = options.nobody && isRoot ? this.installed() : root;
    return this.start(process.execPath, [join(home, 'bin', 'caracal.js'), ...args], options);
  }

  /** A copy of what a user installs that everybody may read: the clone itself may be root's alone. */
  private installed(): string {
    const home = join(this.folder, 'installed');
    if (existsSync(home)) return home;
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const packages = [...Object.keys(dependencies), '@koromix'].map((name) => join('node_modules', name));
    for (const path of ['package.json', 'bin', join('dist', 'src'), ...packages])
      cpSync(join(root, path), join(home, path), { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', home]);
    return home;
  }

  /** Runs a command of the command line to its end. */
  async caracalOnce(args: readonly string[], options: StartOptions & { input?: string } = {}): Promise<Finished> {
    const child = this.caracal(args, options);
    child.write(options.input ?? '');
    child.endInput();
    const { code } = await child.exit();
    return { code, stdout: child.stdout, stderr: child.stderr };
  }

  /** The object that `caracal ARGS --json` prints as its last line; fails unless it exits with 0. */
  async caracalJson<T>(args: readonly string[], options: StartOptions = {}): Promise<T> {
    const { code, stdout, stderr } = await this.caracalOnce([...args, '--json'], options);
    if (code !== 0) throw new Error(`caracal ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`);
    return JSON.parse(lastLine(stdout)) as T;
  }

  /** A router on a free port of 127.0.0.1; later children find it by CARACAL_ROUTER. Nothing was there before: it need not learn. */
  async router(
    args: readonly string[] = [],
    options: StartOptions & { host?: string; port?: number; learning?: boolean } = {},
  ): Promise<Child> {
    const { host = '127.0.0.1', port = 0, learning = false } = options;
    const learn = learning ? [] : ['--no-learning'];
    const router = this.caracal(['router', '--host', host, '--port', `${port}`, ...learn, ...args], options);
    const [, address = ''] = await router.line(/^ready router on (\S+)/m);
    this.routerAddress = address;
    return router;
  }
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asks again until `check` answers something; fails at the deadline with `what`. */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = defaultDeadlineMs,
): Promise<T> {
  const started = Date.now();
  for (;;) {
    const answer = await check();
    if (answer) return answer;
    if (Date.now() - started > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(25);
  }
}

export function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(status.match(/^VmRSS:\s+(\d+) kB/m)?.[1] ?? Number.NaN) * 1024;
}

/** A UDP port of 127.0.0.1 that was free a moment ago. */
export function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4').on('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

export function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Why a test that needs these programs cannot run here, or false: fits the `skip` option. */
export function needsPrograms(...names: string[]): string | false {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  const missing = names.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : false;
}

/** Of variants that say little more than the test beside them. */
export const needsPatience: string | false = process.env['CARACAL_LONG']
  ? false
  : 'takes long: CARACAL_LONG=1 npm test -- e2e';

export const needsRoot: string | false = isRoot ? false : 'needs root, for network namespaces';

function findRoot(): string {
  let folder = here;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
