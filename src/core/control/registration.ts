import type { FlowId, Locator, Prefix, Random, Reason } from '../base/index.ts';
import type { ControlMessage } from './messages.ts';

export interface RegistrarOptions {
  readonly instance: FlowId;
  /** Greater at each start of the same instance id; any value where the id itself is fresh. */
  readonly boot: FlowId;
  readonly leaseUs: number;
  readonly random: Random;
}
export type RegistrationState = 'idle' | 'registering' | 'registered' | 'refused' | 'unregistering';
export interface RegistrationEntry {
  readonly prefix: Prefix;
  readonly protocol: number;
  weight: number;
  priority: number;
  state: RegistrationState;
  sequence: number;
  transaction: number;
  /** Sent since the last answer. */
  attempts: number;
  deadlineUs: number;
  /** When the lease that the router granted runs out. */
  leaseEndUs: number;
}
export interface Registrar {
  readonly options: RegistrarOptions;
  readonly entries: Map<string, RegistrationEntry>;
  router: Locator | undefined;
  routerBoot: FlowId | undefined;
  /** Where the router last saw us. */
  observed: Locator | undefined;
  /** Unanswered too long: the stack should search for a router again. Cleared by any answer. */
  routerLost: boolean;
  sequence: number;
  transaction: number;
}
export declare function createRegistrar(options: RegistrarOptions): Registrar;
/** Begins to register; idle until a router is known. Called again it changes weight and priority. */
export declare function registerService(
  registrar: Registrar,
  prefix: Prefix,
  protocol: number,
  weight: number,
  priority: number,
  nowUs: number,
): RegistrationEntry;
/** Begins to take the name back; the entry goes when the router has answered or does not. */
export declare function unregisterService(registrar: Registrar, prefix: Prefix, protocol: number, nowUs: number): void;
/** Forgets without telling the router. */
export declare function dropRegistration(registrar: Registrar, prefix: Prefix, protocol: number): void;
export declare function isRegistered(registrar: Registrar, prefix: Prefix, protocol: number): boolean;
/** Whether nothing is left of a name after `unregisterService`. */
export declare function isUnregistered(registrar: Registrar, prefix: Prefix, protocol: number): boolean;
/** A router was found, changed, restarted (other boot) or, with undefined, lost: every name is registered anew. */
export declare function setRegistrarRouter(
  registrar: Registrar,
  router: Locator | undefined,
  boot: FlowId | undefined,
  nowUs: number,
): void;
/** What an answer meant; `reason` is for `refused`. */
export interface RegistrarEvent {
  kind: 'registered' | 'refused' | 'unregistered';
  entry: RegistrationEntry;
  /** The first success of this entry with this router. */
  first: boolean;
  reason: Reason;
}
/** Takes REGISTERED and UNREGISTERED. Undefined for an answer to nothing (late, forged). */
export declare function handleRegistrarReply(
  registrar: Registrar,
  message: ControlMessage,
  nowUs: number,
): RegistrarEvent | undefined;
/** Fills the next message that is due for `registrar.router`; false when none is. Call until false. */
export declare function pollRegistrar(registrar: Registrar, nowUs: number, out: ControlMessage): boolean;
export declare function registrarDeadlineUs(registrar: Registrar): number;
