export { aliasPath, parseAliases } from './aliases.ts';
export {
  createSocket,
  type DatagramBindOptions,
  DatagramSocket,
  type DatagramSocketOptions,
  type RemoteInfo,
} from './datagram.ts';
export { closeDefaultDriver, defaultDriver, setDefaultDriver } from './default-driver.ts';
export type { DrainOptions, DrainResult, ShedOptions, ShedResult } from './departures.ts';
export { type ServiceError, serviceError } from './errors.ts';
export type { Failover, StreamFailoverOptions } from './failover.ts';
export type { HandoffOptions, HandoffResult } from './handoff/index.ts';
export {
  Agent,
  type Connector,
  type ConnectorOptions,
  connector,
  type ServiceAgentOptions,
} from './http.ts';
export { labelId } from './labels.ts';
export type { MigrateOptions } from './migrate.ts';
export { namesInUse, parseTarget, resolveService, type ServiceName, type Target } from './names.ts';
export { type OperateProgress, type OperateRequest, operate } from './operate.ts';
export type { ConnectOptions, SocketOptions } from './options.ts';
export type { Path, PathMode, PathOptions } from './paths.ts';
export { connectResuming, type Resumed, ResumingSocket } from './resuming/index.ts';
export { isInsecureForbidden, type SecurityOptions } from './security.ts';
export { type ServeOptions, type Serving, serve } from './serve.ts';
export { createServer, type ListenOptions, Server, type ServerOptions, type ServiceAddress } from './server.ts';
export { connect, Socket } from './socket.ts';
export type { LostConnection, Resumption, TakeOver } from './takeover.ts';
