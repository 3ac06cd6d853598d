export {
  createExpiringMap,
  deleteExpiring,
  type ExpiringMap,
  getExpiring,
  nextExpiryUs,
  setExpiring,
  takeExpired,
} from './expiring-map.ts';
export { allocate, createFlowTable, type FlowTable, find, flowEntries, free } from './flow-table.ts';
export { choose, type Policy, weightedPolicy } from './policy.ts';
export {
  type Action,
  countDropped,
  countResolved,
  createServiceTable,
  dump,
  findRule,
  findTarget,
  insertTarget,
  locatorKey,
  lookup,
  lookupLocal,
  type Owner,
  type Rule,
  type RuleInfo,
  removeRule,
  removeTarget,
  type ServiceTable,
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
