export { type AdminPeer, mayChange, mayRead, nearOfUnknownPeer } from './access.ts';
export type { InstanceInfo, ServiceDescription, ServiceInfo } from './admin.ts';
export { parseNames } from './names.ts';
export type { RevocationInfo } from './revocations.ts';
export { createRouter, type Router, type RouterOptions, routerPort, routerService } from './router.ts';
