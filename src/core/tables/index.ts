export {
  createExpiringMap,
  deleteExpiring,
  type ExpiringMap,
  expiringEntries,
  getExpiring,
  nextExpiryUs,
  setExpiring,
  takeExpired,
} from './expiring-map.ts';
export {
  allocate,
  createFlowTable,
  type FlowTable,
  find,
  flowEntries,
  flowIndex,
  free,
  replace,
} from './flow-table.ts';
export { createTemplate, type Packed, packRecord, type Template, unpackRecord } from './packed-record.ts';
export { choose, type Policy, resolveTarget, weightedPolicy } from './policy.ts';
export { addRow, createRowStore, freeRow, mostRowBytes, type RowStore, rowOffset, rowPage } from './row-store.ts';
export {
  type Action,
  countDropped,
  countResolved,
  createServiceTable,
  dump,
  findRule,
  findTarget,
  insertTarget,
  localTarget,
  locatorKey,
  lookup,
  lookupLocal,
  lookupLocalRule,
  type Owner,
  type Rule,
  type RuleInfo,
  removeRule,
  removeTarget,
  type ServiceTable,
  serves,
  setPriority,
  setWeight,
  type Target,
  type TargetInfo,
  type TargetOptions,
} from './service-table.ts';
export {
  cancel,
  createTimerQueue,
  deadlineOf,
  nextDeadlineUs,
  popExpired,
  schedule,
  type TimerQueue,
} from './timer-queue.ts';
