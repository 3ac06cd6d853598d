export {
  clearOffers,
  createDiscovery,
  type Discovery,
  type DiscoveryOutcome,
  discoveryDeadlineUs,
  forgetOffer,
  handleOffer,
  handleWithdraw,
  offerFor,
  pollDiscovery,
  resolve,
} from './discovery.ts';
export { type Field, id64, locator, prefix, service, u8, u32, u53 } from './fields.ts';
export {
  createHeartbeat,
  type Heartbeat,
  handleHeartbeatAnswer,
  heartbeatDeadlineUs,
  pollHeartbeat,
} from './heartbeat.ts';
export {
  AdvertFlag,
  type ControlMessage,
  controlHeaderBytes,
  controlVersion,
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  noNonce,
  PeerState,
  parseControl,
  signControl,
} from './messages.ts';
export { type PeerWord, type Presences, wordAbout } from './presence.ts';
export {
  bootNow,
  createRegistrar,
  dropRegistration,
  handleRegistrarReply,
  isRegistered,
  isUnregistered,
  pollRegistrar,
  type Registrar,
  type RegistrarEvent,
  type RegistrarOptions,
  refreshRegistrations,
  registerService,
  registrarDeadlineUs,
  renewIdentity,
  setRegistrarRouter,
  unregisterService,
} from './registration.ts';
export {
  createRegistry,
  dropRevoked,
  expireRegistry,
  handleHeartbeat,
  handleRegister,
  handleUnregister,
  isIssuer,
  pollHeldAnswer,
  type Registry,
  type RegistryCounters,
  type RegistryOptions,
  registryDeadlineUs,
} from './registry.ts';
export { listRegistry, type RegistrationInfo } from './registry-info.ts';
export {
  createRouterSearch,
  handleAdvert,
  pollRouterSearch,
  type RouterSearch,
  restartRouterSearch,
  routerSearchDeadlineUs,
} from './router-search.ts';
