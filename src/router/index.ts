export type { InstanceInfo, ServiceDescription, ServiceInfo } from './admin.ts';
export { parseNames } from './names.ts';
export { createRouter, type Router, type RouterOptions, routerPort, routerService } from './router.ts';
