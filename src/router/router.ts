// The router: a stack that forwards others' first packets and owns their registrations (an embedded controller), with
// its admin service and its directory on the same stack. It holds no flow state: what it forwards it forgets, so that it
// may restart under established flows. Static rules live in memory only.

import { formatPrefix, formatServiceId, type Prefix, type Reason } from '../core/base/index.ts';
import { isIssuer } from '../core/control/index.ts';
import { createTrust, type Trust } from '../core/security/index.ts';
import { createStack, defaultLeaseUs, type Stack } from '../core/stack/index.ts';
import { createDriver, type IoDriver } from '../io/index.ts';
import { labelId, serve } from '../sockets/index.ts';
import { type AdminView, createAdminHandler } from './admin.ts';
import { serveDirectory } from './directory.ts';
import { prefixOf } from './names.ts';

export interface RouterOptions {
  /** UDP port; 0 takes a free one. Default 54324. */
  readonly port?: number;
  /** One local address; absent: all, IPv4 and IPv6. */
  readonly host?: string;
  /** Longest lease granted. Default 15 s. */
  readonly leaseUs?: number;
  /** What the directory knows: names in lower case. */
  readonly names?: ReadonlyMap<string, Prefix>;
  /** Answer those who search for a router by multicast. Default true. */
  readonly discoverable?: boolean;
  /** Keys of service systems, and of labels that are pinned. */
  readonly trust?: Trust;
  /** Take no registration that no key vouches for. Default false: labels from this machine and private networks. */
  readonly requireKeys?: boolean;
  /** So long after the start an unknown name is answered "try later": a third of a lease, unless given. 0: not at all. */
  readonly learningUs?: number;
  /** ServiceIDs in text of the keys that may change the router from anywhere. */
  readonly operators?: readonly string[];
}

export interface Router {
  /** `ADDRESS:PORT` that it is bound to; `0.0.0.0` and `[::]` stand for all of this machine's. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** `GET /v1/counters`. */
  counters(): Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

export const routerPort = 54324;
export const routerService = 'caracal.router';

/** Resolves once bound and its admin service is up. Rejects with the system's error (EADDRINUSE, EACCES, ...). */
export async function createRouter(options: RouterOptions = {}): Promise<Router> {
  const { port = routerPort, host, leaseUs = defaultLeaseUs, names = new Map(), discoverable = true } = options;
  const { trust = createTrust(), requireKeys = false, operators = [] } = options;
  const learning = options.learningUs === undefined ? {} : { learningUs: options.learningUs };
  const driver = createDriver({
    createStack,
    stack: { adHoc: discoverable, forwarding: true, controller: true, leaseUs, trust, requireKeys, ...learning },
    link: { port, ...(host === undefined ? {} : { address: host }) },
    keepAlive: true,
    describe: (stack) => ({ ...stack.inspect(), names: { [formatServiceId(labelId(routerService))]: routerService } }),
  });
  try {
    await driver.ready;
    // Also without names: who is told at once that a name is unknown need not wait for an answer.
    serveDirectory(driver, names);
    // Above whatever others may register under the name.
    const handler = createAdminHandler(adminView(driver, names, trust, new Set(operators)));
    const admin = serve(handler, routerService, { driver, priority: 65535 });
    await admin.ready;
  } catch (error) {
    await driver.close();
    throw error;
  }
  const { link } = driver.report();
  return {
    addresses: boundAddresses(host, link.port, link.ipv6),
    port: link.port,
    counters: () => counters(driver),
    close: () => driver.close(),
  };
}

function boundAddresses(host: string | undefined, port: number, ipv6: boolean): string[] {
  if (host !== undefined) return [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`];
  return [`0.0.0.0:${port}`, ...(ipv6 ? [`[::]:${port}`] : [])];
}

function adminView(
  driver: IoDriver<Stack>,
  names: ReadonlyMap<string, Prefix>,
  trust: Trust,
  operators: ReadonlySet<string>,
): AdminView {
  const known = new Map([...names].map(([name, prefix]) => [name, formatPrefix(prefix)]));
  known.set(routerService, formatPrefix({ id: labelId(routerService), bits: 256 }));
  return {
    rules: () => driver.stack.inspect().rules,
    registrations: () => driver.stack.inspect().registrations,
    counters: () => counters(driver),
    names: () => known,
    apply: (change) => driver.handle({ kind: 'rule', change }),
    prefixOf: (text) => prefixOf(names, text),
    operators,
    trust,
    revocations: () => driver.stack.state.revocations,
    revoke: (list) => driver.handle({ kind: 'revocations', list }) as Reason,
    isIssuer: (key) => driver.stack.state.registry !== undefined && isIssuer(driver.stack.state.registry, key),
  };
}

function counters(driver: IoDriver<Stack>): Readonly<Record<string, unknown>> {
  const { counters: packets, registrations } = driver.stack.inspect();
  const registry = driver.stack.state.registry?.counters;
  return { ...packets, registrations: { held: registrations.length, ...registry } };
}
