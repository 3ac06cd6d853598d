// The public API: sockets by service name, joined to the real driver. `createDriver` is for programs that want their
// own stack (another router, no discovery, tests); everybody else shares the default one, made at the first socket.

import type { Locator } from './core/base/index.ts';
import { createStack, defaultLeaseUs, type Limits, type Stack } from './core/stack/index.ts';
import { createDriver as createIoDriver, type IoDriver, parseAddress } from './io/index.ts';
import { currentTrust } from './keys/index.ts';
import { isInsecureForbidden, namesInUse, operate, setDefaultDriver } from './sockets/index.ts';

export {
  formatPrefix,
  formatServiceId,
  type Prefix,
  parsePrefix,
  parseServiceId,
  type ServiceId,
} from './core/base/index.ts';
export type { Identity } from './core/security/index.ts';
export type { Driver, FlowInfo, Limits, PeerProof } from './core/stack/index.ts';
export { type IdentityOptions, loadIdentity, watchIdentity } from './keys/index.ts';
export {
  Agent,
  aliasPath,
  type ConnectOptions,
  type Connector,
  type ConnectorOptions,
  closeDefaultDriver,
  connect,
  connector,
  connectResuming,
  createServer,
  createSocket,
  type DatagramBindOptions,
  DatagramSocket,
  type DatagramSocketOptions,
  type DrainOptions,
  type DrainResult,
  defaultDriver,
  type Failover,
  type HandoffOptions,
  type HandoffResult,
  type ListenOptions,
  type LostConnection,
  labelId,
  type MigrateOptions,
  type Path,
  type PathMode,
  type PathOptions,
  parseAliases,
  parseTarget,
  type RemoteInfo,
  type Resumed,
  ResumingSocket,
  type Resumption,
  resolveService,
  type SecurityOptions,
  type ServeOptions,
  Server,
  type ServerOptions,
  type ServiceAddress,
  type ServiceAgentOptions,
  type ServiceError,
  type ServiceName,
  type Serving,
  type ShedOptions,
  type ShedResult,
  Socket,
  type SocketOptions,
  type StreamFailoverOptions,
  serve,
  setDefaultDriver,
  type TakeOver,
} from './sockets/index.ts';

export interface DriverOptions {
  /** `ADDRESS:PORT` of the router to use, and no other. Default: $CARACAL_ROUTER; without it one is looked for. */
  readonly router?: string;
  /** Look for routers and services on this machine and the local network. Default true; a given router turns it off. */
  readonly adHoc?: boolean;
  /** `offload` sends and receives through the kernel's segmentation offload; default: the best that works here. */
  readonly link?: 'offload' | 'dgram';
  /** Local UDP port and address. Default: any. */
  readonly port?: number;
  readonly address?: string;
  /** Lease asked for registrations, microseconds. Default 15 s. */
  readonly leaseUs?: number;
  /** How often the router hears of this process while it holds its names, microseconds. Default 1 s; 0: never. */
  readonly heartbeatUs?: number;
  /** What strangers and peers may make this process hold; what is missing has its default. */
  readonly limits?: Partial<Limits>;
  /** A network of its own: `GROUP:PORT` of discovery, no router on this machine. Default: $CARACAL_DISCOVERY. */
  readonly discovery?: string;
}

export const defaultRouterPort = 54324;

const localRouter: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: defaultRouterPort };

/** A stack of one's own, to be passed as `driver`. Throws TypeError ERR_INVALID_ARG_VALUE for a malformed address. */
export function createDriver(options: DriverOptions = {}): IoDriver<Stack> {
  const discovery = options.discovery ?? process.env['CARACAL_DISCOVERY'];
  const router = options.router ?? (options.discovery ? undefined : process.env['CARACAL_ROUTER']);
  const driver: IoDriver<Stack> = createIoDriver({
    createStack,
    stack: {
      ...(router ? { router: parseLocator(router) } : { routerCandidates: discovery ? [] : [localRouter] }),
      adHoc: options.adHoc ?? !router,
      forwarding: false,
      controller: false,
      leaseUs: options.leaseUs ?? defaultLeaseUs,
      trust: currentTrust().trust,
      forbidInsecure: isInsecureForbidden(),
      ...(options.heartbeatUs === undefined ? {} : { heartbeatUs: options.heartbeatUs }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    },
    link: {
      ...(options.link === undefined ? {} : { kind: options.link }),
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.address === undefined ? {} : { address: options.address }),
    },
    describe: (stack) => ({ ...stack.inspect(), names: namesInUse() }),
    operate: (request, tell) => operate(driver, request, tell),
    hasDirectory: (stack) => stack.hasDirectory(),
    searching: (stack) => stack.state.search?.state === 'searching',
    usesLink: (stack, link) => stack.usesLink(link),
    wantsLinks: (stack) => stack.wantsLinks(),
    pathsOf: (stack, socket) => stack.pathsOf(socket),
    ...(discovery ? { multicastGroup: parseLocator(discovery) } : {}),
  });
  return driver;
}

/** `192.0.2.1:54324`, `[2001:db8::1]:54324`, `localhost:54324`; the port may be left out. */
function parseLocator(text: string): Locator {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const address = parseAddress(host === 'localhost' ? '127.0.0.1' : host);
  const port = Number(match?.[3] ?? defaultRouterPort);
  if (address && port >= 1 && port <= 65535) return { address, port };
  const message = `"${text}" is not ADDRESS:PORT with an IP address, as 192.0.2.1:${defaultRouterPort}`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

setDefaultDriver(() => createDriver());
