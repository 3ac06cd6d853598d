// The instance's heartbeats (docs/protocol-control.md, "Heartbeats"): while a router holds names of this stack, it hears of it
// once an interval, and answers when the interval is over, so that the answer and the next heartbeat are one wake-up; one that
// answers at once is as good. Its silence tells the instance of a dead router before a lease is in danger, another boot id of
// one that has started again, and a smaller number of registrations of names that the router has let go.
// A router that never answered one is of an earlier version, not dead: it is known by its leases alone.

import { type Locator, Reason, sameLocator } from '../base/index.ts';
import { type ControlMessage, MessageType } from './messages.ts';
import {
  hasRegistrations,
  noteRouterBoot,
  type Registrar,
  refreshEarly,
  registerEverything,
  registrationsHeld,
} from './registration.ts';

export interface Heartbeat {
  /** 0: none are sent. */
  readonly intervalUs: number;
  /** Whose answers count; undefined: none has been asked. */
  router: Locator | undefined;
  /** It has answered one. */
  answering: boolean;
  transaction: number;
  /** Of the one under way that were sent; 0: it was answered. */
  attempts: number;
  /** When the first of them was. */
  sentUs: number;
  /** Sent again at once for the router's nonce. */
  repeats: number;
  dueUs: number;
}

const firstRetryUs = 100_000;
/** So many without an answer, until 1.5 s after the interval, and the router counts as lost. */
const lostAttempts = 4;
const mostRepeats = 3;

export function createHeartbeat(intervalUs: number): Heartbeat {
  return {
    intervalUs,
    router: undefined,
    answering: false,
    transaction: 0,
    attempts: 0,
    sentUs: 0,
    repeats: 0,
    dueUs: 0,
  };
}

/** Infinity while there is nobody to tell. */
export function heartbeatDeadlineUs(heartbeat: Heartbeat, registrar: Registrar): number {
  const silent = heartbeat.intervalUs === 0 || registrar.router === undefined || !hasRegistrations(registrar);
  return silent ? Infinity : heartbeat.dueUs;
}

/** Fills the heartbeat that is due, for `registrar.router`; false when none is. */
export function pollHeartbeat(heartbeat: Heartbeat, registrar: Registrar, nowUs: number, out: ControlMessage): boolean {
  if (nowUs < heartbeatDeadlineUs(heartbeat, registrar)) return false;
  followRouter(heartbeat, registrar);
  if (heartbeat.attempts >= lostAttempts && heartbeat.answering) registrar.routerLost = true;
  heartbeat.dueUs = nowUs + patienceUs(heartbeat);
  if (heartbeat.attempts === 0) {
    heartbeat.transaction = registrar.options.primitives.random.uint32();
    heartbeat.sentUs = nowUs;
    refreshEarly(registrar, heartbeat.dueUs, nowUs);
  }
  heartbeat.attempts++;
  out.type = MessageType.HEARTBEAT;
  out.transaction = heartbeat.transaction;
  out.instance = registrar.options.instance;
  out.boot = registrar.boot;
  out.intervalMs = Math.round(heartbeat.intervalUs / 1000);
  out.nonce = registrar.nonce;
  return true;
}

/** OK if it answers the heartbeat under way. */
export function handleHeartbeatAnswer(
  heartbeat: Heartbeat,
  registrar: Registrar,
  { transaction, reason, boot, held, nonce }: ControlMessage,
  nowUs: number,
): Reason {
  if (heartbeat.attempts === 0 || transaction !== heartbeat.transaction) return Reason.STALE;
  heartbeat.attempts = 0;
  heartbeat.answering = true;
  registrar.nonce = nonce;
  noteRouterBoot(registrar, boot, nowUs);
  const again = reason === Reason.NONCE_REQUIRED && ++heartbeat.repeats <= mostRepeats;
  heartbeat.dueUs = again ? nowUs : Math.max(nowUs, heartbeat.sentUs + heartbeat.intervalUs);
  if (reason !== Reason.OK) return Reason.OK;
  heartbeat.repeats = 0;
  if (held < registrationsHeld(registrar)) registerEverything(registrar, nowUs);
  return Reason.OK;
}

/** Another router has yet to show that it knows heartbeats. */
function followRouter(heartbeat: Heartbeat, { router }: Registrar): void {
  const { router: before } = heartbeat;
  if (before !== undefined && router !== undefined && sameLocator(before, router)) return;
  heartbeat.router = router;
  heartbeat.answering = false;
  heartbeat.attempts = 0;
}

/** The answer is held for the interval; from then on it is late. */
function patienceUs({ answering, attempts, intervalUs }: Heartbeat): number {
  if (!answering) return intervalUs;
  return (attempts === 0 ? intervalUs : 0) + Math.min(intervalUs, firstRetryUs * 2 ** attempts);
}
