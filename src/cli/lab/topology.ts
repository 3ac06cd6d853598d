// Where an experiment runs: hosts around a middle that forwards between them, which is as far away as wanted and where
// the Caracal router stands. As root on Linux hosts are network namespaces joined by veth pairs, and every packet between
// two of them is really delayed (workers/delay.ts) and their links have a rate (tbf); otherwise all is one machine's
// loopback, as fast as it comes, and `where` says so. Names carry the pid of the run: runs do not meet, and what
// a killed one left is swept by the next.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { CliError } from '../errors.ts';

/** One host and the rate of each of its links; the first link is the preferred one. */
export interface HostPlan {
  readonly name: string;
  readonly linksMbits: readonly (number | undefined)[];
}

export interface StarPlan {
  readonly hosts: readonly HostPlan[];
  /** Between any two hosts, there and back; the router in the middle is near. */
  readonly rttMs: number;
}

/** An interface of a host, at its address. */
export interface HostLink {
  readonly address: string;
  /** Takes the address from the interface, or gives it back. Only in namespaces. */
  setAddress(present: boolean): void;
  /** Nothing passes between it and the middle any more, and nobody is told; or it does again. Only in namespaces. */
  setCut(cut: boolean): void;
}

export interface Host {
  readonly links: readonly [HostLink, ...HostLink[]];
  /** What makes a command run there. */
  readonly prefix: readonly string[];
}

export interface Star {
  readonly where: 'netns' | 'loopback';
  /** As planned; 0 where nothing delays. */
  readonly rttMs: number;
  readonly middle: Pick<Host, 'prefix'>;
  /** For a router in the middle. */
  readonly middleAddress: string;
  host(name: string): Host;
  remove(): void;
}

const namePrefix = 'caracal-lab';
const middleAddress = '10.255.0.1';
const table = '77';
const carrierMs = 5_000;

/** `start` is told of the process that delays. Throws CliError; nothing is left then. */
export async function buildStar(plan: StarPlan, start: (child: Child) => Child): Promise<Star> {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return onLoopback(plan);
  sweep();
  const star = new Namespaces(plan);
  try {
    await star.build(start);
    return star;
  } catch (error) {
    star.remove();
    if (error instanceof CliError) throw error;
    const [why] = (error as Error).message.split('\n');
    throw new CliError(`cannot make network namespaces: ${why}`, {
      next: 'run it as another user than root: then it stays on loopback',
    });
  }
}

class Namespaces implements Star {
  readonly where = 'netns';
  readonly rttMs: number;
  readonly middle: Host;
  readonly middleAddress = middleAddress;
  readonly #plan: StarPlan;
  readonly #hosts = new Map<string, Host>();
  readonly #made: string[] = [];
  readonly #onExit = (): void => this.remove();

  constructor(plan: StarPlan) {
    this.#plan = plan;
    this.rttMs = plan.rttMs;
    this.middle = { prefix: this.#prefix('middle'), links: [loopbackLink(middleAddress)] };
    process.once('exit', this.#onExit);
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  remove(): void {
    process.off('exit', this.#onExit);
    for (const name of this.#made.splice(0)) spawnSync('ip', ['netns', 'del', name]);
  }

  async build(start: (child: Child) => Child): Promise<void> {
    this.#make('middle');
    const settings = ['ip_forward=1', 'conf.all.rp_filter=0', 'conf.default.rp_filter=0'];
    this.#run('middle', 'sysctl', '-q', '-w', ...settings.map((setting) => `net.ipv4.${setting}`));
    this.#run('middle', 'ip', 'address', 'add', `${middleAddress}/32`, 'dev', 'lo');
    let network = 0;
    for (const { name, linksMbits } of this.#plan.hosts) {
      this.#make(name);
      const links = linksMbits.map((mbits, i) => this.#link(name, i, ++network, mbits));
      const [first, ...others] = links;
      if (first !== undefined) this.#hosts.set(name, { prefix: this.#prefix(name), links: [first, ...others] });
    }
    if (this.rttMs > 0) await this.#lengthen(start);
    await this.#untilCarrier();
  }

  #name(host: string): string {
    return `${namePrefix}-${process.pid}-${host}`;
  }

  #prefix(host: string): string[] {
    return ['ip', 'netns', 'exec', this.#name(host)];
  }

  #make(host: string): void {
    run('ip', 'netns', 'add', this.#name(host));
    this.#made.push(this.#name(host));
    this.#ip(host, 'link set lo up');
  }

  #link(host: string, index: number, network: number, mbits: number | undefined): HostLink {
    const near = `eth${index}`;
    const far = `${host}${index}`;
    const address = `10.${network}.0.1`;
    const route = `route replace default via 10.${network}.0.254 dev ${near} metric ${10 * (index + 1)}`;
    const pair = ['type', 'veth', 'peer', 'name', far, 'netns', this.#name('middle')];
    run('ip', 'link', 'add', near, 'netns', this.#name(host), ...pair);
    this.#ip('middle', `address add 10.${network}.0.254/24 dev ${far}`, `link set ${far} up`);
    this.#ip(host, `address add ${address}/24 dev ${near}`, `link set ${near} up`, route);
    if (mbits !== undefined) {
      this.#limit(host, near, mbits);
      this.#limit('middle', far, mbits);
    }
    const back = [`address add ${address}/24 dev ${near}`, route];
    return {
      address,
      setAddress: (present) => this.#ip(host, ...(present ? back : [`address del ${address}/24 dev ${near}`])),
      setCut: (cut) => {
        const verb = cut ? 'add' : 'del';
        this.#ip('middle', ...['from', 'to'].map((way) => `rule ${verb} ${way} ${address} pref 10 blackhole`));
      },
    };
  }

  /** The kernel's queue in front of a link. */
  #limit(host: string, device: string, mbits: number): void {
    const shape = ['rate', `${mbits}mbit`, 'burst', '64kb', 'latency', '20ms'];
    this.#run(host, 'tc', 'qdisc', 'add', 'dev', device, 'root', 'tbf', ...shape);
  }

  /** What comes into the middle for somebody else goes through the device that delays, and from there to its host. */
  async #lengthen(start: (child: Child) => Child): Promise<void> {
    const worker = join(import.meta.dirname, 'workers', 'delay.js');
    const command = [...this.#prefix('middle'), process.execPath, worker, 'delay', String(this.rttMs / 2)];
    await start(new Child('delay', command, { env: process.env })).ready();
    const devices = this.#plan.hosts.flatMap(({ name, linksMbits }) => linksMbits.map((_, i) => `${name}${i}`));
    this.#ip(
      'middle',
      'link set delay up txqueuelen 10000',
      `route add default dev delay table ${table}`,
      ...devices.map((device) => `rule add iif ${device} table ${table}`),
    );
  }

  /** The kernel reports a carrier up to a second late; until then the interface is not among a process's own. */
  async #untilCarrier(): Promise<void> {
    const until = performance.now() + carrierMs;
    const hosts = ['middle', ...this.#plan.hosts.map(({ name }) => name)];
    const states = (): string[] =>
      hosts
        .flatMap((host) => [...this.#run(host, 'ip', '-o', 'link', 'show', 'type', 'veth').matchAll(/state (\w+)/g)])
        .map(([, state = '']) => state);
    while (states().some((state) => state !== 'UP')) {
      if (performance.now() > until) throw new Error(`a link does not come up within ${carrierMs / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #run(host: string, command: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.#name(host), command, ...args);
  }

  /** Commands of ip(8), in one process. */
  #ip(host: string, ...lines: string[]): void {
    execFileSync('ip', ['-n', this.#name(host), '-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: 'pipe' });
  }
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
}

/** Every link is another address of loopback. */
function onLoopback({ hosts }: StarPlan): Star {
  const known = new Map<string, Host>();
  for (const { name, linksMbits } of hosts) {
    const [first = loopbackLink('127.0.0.1'), ...others] = linksMbits.map((_, i) => loopbackLink(`127.0.0.${i + 1}`));
    known.set(name, { prefix: [], links: [first, ...others] });
  }
  return {
    where: 'loopback',
    rttMs: 0,
    middle: { prefix: [] },
    middleAddress: '127.0.0.1',
    host: (name) => known.get(name) ?? { prefix: [], links: [loopbackLink('127.0.0.1')] },
    remove() {},
  };
}

function loopbackLink(address: string): HostLink {
  const refuse = (): never => {
    throw new Error('an address of loopback cannot be taken away');
  };
  return { address, setAddress: refuse, setCut: refuse };
}

/** Namespaces of runs whose process is gone. */
function sweep(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const line of (stdout ?? '').split('\n')) {
    const [name = ''] = line.split(' ');
    const pid = new RegExp(`^${namePrefix}-(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'del', name]);
  }
}
