export { aliasPath, parseAliases } from './aliases.ts';
export {
  createSocket,
  type DatagramBindOptions,
  DatagramSocket,
  type DatagramSocketOptions,
  type RemoteInfo,
} from './datagram.ts';
export { closeDefaultDriver, defaultDriver, setDefaultDriver } from './default-driver.ts';
export { type ServiceError, serviceError } from './errors.ts';
export {
  Agent,
  type Connector,
  type ConnectorOptions,
  connector,
  type ServeOptions,
  type ServiceAgentOptions,
  type Serving,
  serve,
} from './http.ts';
export { labelId } from './labels.ts';
export type { MigrateOptions } from './migrate.ts';
export { namesInUse, parseTarget, resolveService, type ServiceName, type Target } from './names.ts';
export type { ConnectOptions, SocketOptions } from './options.ts';
export { connectResuming, type Resumed, ResumingSocket } from './resuming/index.ts';
export { isInsecureForbidden, type SecurityOptions } from './security.ts';
export {
  createServer,
  type DrainOptions,
  type DrainResult,
  type ListenOptions,
  Server,
  type ServerOptions,
  type ServiceAddress,
  type ShedOptions,
  type ShedResult,
} from './server.ts';
export { connect, Socket } from './socket.ts';
