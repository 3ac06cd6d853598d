import type { FlowId, Locator, Prefix } from '../base/index.ts';
import type { ExpiringMap, ServiceTable } from '../tables/index.ts';
import type { ControlMessage } from './messages.ts';

export interface RegistryOptions {
  /** Registered targets go here, owner `registered`. */
  readonly table: ServiceTable;
  /** Random; tells instances that the router lost its memory. */
  readonly boot: FlowId;
  /** Granted at most; asked-for leases are also raised to 1 s. */
  readonly leaseUs: number;
  readonly maxRegistrations?: number;
  /** Per sending address. */
  readonly maxPerSender?: number;
}
export interface RegistryCounters {
  registered: number;
  refreshed: number;
  unregistered: number;
  expired: number;
  stale: number;
  refused: number;
}
export interface Registration {
  readonly prefix: Prefix;
  readonly protocol: number;
  readonly instance: FlowId;
  readonly sinceUs: number;
  boot: FlowId;
  sequence: number;
  locator: Locator;
  weight: number;
  priority: number;
  expiresUs: number;
}
export interface Registry {
  readonly options: RegistryOptions;
  readonly registrations: ExpiringMap<string, Registration>;
  readonly tombstones: ExpiringMap<string, { readonly boot: FlowId; readonly sequence: number }>;
  readonly perSender: Map<string, number>;
  readonly counters: RegistryCounters;
}
export declare function createRegistry(options: RegistryOptions): Registry;
/** Applies a REGISTER seen from `remote` and fills `reply` (REGISTERED). */
export declare function handleRegister(
  registry: Registry,
  message: ControlMessage,
  remote: Locator,
  nowUs: number,
  reply: ControlMessage,
): void;
/** Applies an UNREGISTER and fills `reply` (UNREGISTERED). */
export declare function handleUnregister(
  registry: Registry,
  message: ControlMessage,
  nowUs: number,
  reply: ControlMessage,
): void;
/** Removes what has lapsed by `nowUs`; answers how many registrations that was. */
export declare function expireRegistry(registry: Registry, nowUs: number): number;
export declare function registryDeadlineUs(registry: Registry): number;
/** One line of `caracal ls`; plain JSON. */
export interface RegistrationInfo {
  readonly service: string;
  readonly bits: number;
  readonly protocol: number;
  readonly instance: string;
  readonly locator: string;
  readonly weight: number;
  readonly priority: number;
  readonly ageMs: number;
  readonly leaseMs: number;
}
export declare function listRegistry(registry: Registry, nowUs: number): RegistrationInfo[];
