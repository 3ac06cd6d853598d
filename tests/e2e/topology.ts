// Network namespaces as hosts, joined by veth pairs: what a row about hosts is shown on. Needs root. Names carry the
// pid of the run, so that runs do not meet and what a killed run left behind is swept by the next one.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';

const prefix = 'caracal';
let count = 0;

/** One host: a namespace with its loopback up. */
export interface Host {
  readonly name: string;
  /** Of its first link. */
  readonly address: string;
}

export class Topology {
  private readonly hosts: string[] = [];

  constructor(t: TestContext | undefined) {
    sweep();
    t?.after(() => this.remove());
    process.once('exit', () => this.remove());
  }

  remove(): void {
    for (const name of this.hosts.splice(0)) spawnSync('ip', ['netns', 'del', name]);
  }

  host(label: string): string {
    const name = `${prefix}-${process.pid}-${count++}-${label}`;
    ip('netns', 'add', name);
    this.hosts.push(name);
    inside(name, 'ip', 'link', 'set', 'lo', 'up');
    return name;
  }

  /** Joins two hosts by a veth pair with these addresses (CIDR) and answers the names of its ends. */
  link(a: string, addressA: string, b: string, addressB: string, mtu = 1500): { a: string; b: string } {
    const ends = { a: `v${process.pid % 10000}a${count}`, b: `v${process.pid % 10000}b${count}` };
    count++;
    ip(
      'link',
      'add',
      ends.a,
      'netns',
      a,
      'mtu',
      `${mtu}`,
      'type',
      'veth',
      'peer',
      'name',
      ends.b,
      'netns',
      b,
      'mtu',
      `${mtu}`,
    );
    for (const [host, end, address] of [
      [a, ends.a, addressA],
      [b, ends.b, addressB],
    ] as const) {
      if (address) inside(host, 'ip', 'address', 'add', address, 'dev', end);
      inside(host, 'ip', 'link', 'set', end, 'up');
    }
    untilUp(a, ends.a);
    untilUp(b, ends.b);
    return ends;
  }

  /** Two hosts on one link, MTU 1500. */
  pair(): { a: Host; b: Host } {
    const a = this.host('a');
    const b = this.host('b');
    this.link(a, '10.77.0.1/24', b, '10.77.0.2/24');
    inside(a, 'ip', 'route', 'add', 'default', 'via', '10.77.0.2');
    inside(b, 'ip', 'route', 'add', 'default', 'via', '10.77.0.1');
    return { a: { name: a, address: '10.77.0.1' }, b: { name: b, address: '10.77.0.2' } };
  }
}

/** Runs a command inside a namespace; throws with what it printed if it fails. */
export function inside(namespace: string, command: string, ...args: string[]): string {
  return execFileSync('ip', ['netns', 'exec', namespace, command, ...args], { encoding: 'utf8', stdio: 'pipe' });
}

/** The kernel reports a carrier up to a second late; until then the interface is not among a process's own. */
function untilUp(namespace: string, end: string): void {
  const until = Date.now() + 5000;
  while (!inside(namespace, 'ip', 'link', 'show', 'dev', end).includes('state UP'))
    if (Date.now() > until) throw new Error(`${end} does not come up`);
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}

/** Namespaces of runs whose process is gone. */
function sweep(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const line of (stdout ?? '').split('\n')) {
    const [name = ''] = line.split(' ');
    const pid = name.match(/^caracal-(\d+)-/)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'del', name]);
  }
}
