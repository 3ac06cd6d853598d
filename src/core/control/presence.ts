// Who is there, by heartbeats (docs/protocol-control.md, "Heartbeats"): a stack that has sent one is expected to go on, and
// after three intervals of silence its registrations go, long before their leases end. Kept by locator, which the nonce has
// proven: an instance id is public, and whoever claimed one could keep the dead alive. A stack that never sent a heartbeat
// has its leases. What is known of a stack also serves those who hold a flow to it and hear nothing (LIVENESS-QUERY).
// The answer to a stack that goes on as expected is held until its next heartbeat is due, which leaves in the turn that the
// answer comes in: an idle process wakes once an interval, and waking is most of what being idle costs.

import { type FlowId, formatLocator, type Locator, sameFlow } from '../base/index.ts';
import {
  createExpiringMap,
  deleteExpiring,
  type ExpiringMap,
  getExpiring,
  nextExpiryUs,
  setExpiring,
  takeExpired,
} from '../tables/index.ts';
import { type ControlMessage, PeerState } from './messages.ts';

interface Presence {
  readonly heardUs: number;
  readonly intervalUs: number;
  /** Of the process that it was heard of last, and of the heartbeat. */
  readonly boot: FlowId;
  readonly transaction: number;
}

export interface HeldAnswer {
  readonly remote: Locator;
  readonly transaction: number;
}

export interface Presences {
  /** By locator in text; lapses after three intervals. */
  readonly present: ExpiringMap<string, Presence>;
  /** When those that fell silent were heard last. */
  readonly departed: ExpiringMap<string, number>;
  /** Answers by locator in text, one each at most; they lapse when they are due. */
  readonly held: ExpiringMap<string, HeldAnswer>;
}

const intervalsOfSilence = 3;
/** So many make a stack suspect: who asks has heard nothing of it either. */
const intervalsOfDoubt = 2.5;
const leastIntervalUs = 100_000;
const longestIntervalUs = 60_000_000;
const departedUs = 60_000_000;

export function createPresences(capacity: number): Presences {
  return {
    present: createExpiringMap(capacity, 'evict'),
    departed: createExpiringMap(capacity, 'evict'),
    held: createExpiringMap(capacity, 'refuse'),
  };
}

/** The stack there is alive, and will say so again in an interval; whether the answer to this HEARTBEAT is held until then. */
export function notePresence(
  presences: Presences,
  remote: Locator,
  { intervalMs, boot, transaction }: ControlMessage,
  nowUs: number,
): boolean {
  const { present, departed, held } = presences;
  const key = formatLocator(remote);
  const before = getExpiring(present, key, nowUs);
  const intervalUs = Math.max(leastIntervalUs, Math.min(longestIntervalUs, intervalMs * 1000));
  deleteExpiring(departed, key);
  const presence = { heardUs: nowUs, intervalUs, boot, transaction };
  setExpiring(present, key, presence, nowUs + intervalsOfSilence * intervalUs);
  // Who has just come waits for a first answer, and who repeats itself for one that is late or lost.
  if (before === undefined || !sameFlow(before.boot, boot)) return false;
  if (before.transaction === transaction) deleteExpiring(held, key);
  else if (!held.slots.has(key)) return setExpiring(held, key, { remote, transaction }, nowUs + intervalUs);
  return false;
}

/** The held answer that is due; call until undefined. */
export function takeHeldAnswer({ held }: Presences, nowUs: number): HeldAnswer | undefined {
  return takeExpired(held, nowUs)?.value;
}

/** Nothing is registered from there any more: the stack is elsewhere, or has to ask. */
export function dropHeldAnswer({ held }: Presences, locatorText: string): void {
  deleteExpiring(held, locatorText);
}

/** The stack there has taken its last name back: it has nothing to say here any more, and may be alive for long. */
export function forgetPresence({ present }: Presences, remote: Locator): void {
  deleteExpiring(present, formatLocator(remote));
}

/** The locator, in text, of a stack that has been silent for too long; call until undefined. */
export function takeSilent({ present, departed }: Presences, nowUs: number): string | undefined {
  while (takeExpired(departed, nowUs));
  const silent = takeExpired(present, nowUs);
  if (silent === undefined) return undefined;
  setExpiring(departed, silent.key, silent.value.heardUs, nowUs + departedUs);
  return silent.key;
}

export function presencesDeadlineUs({ present, held }: Presences): number {
  return Math.min(nextExpiryUs(present), nextExpiryUs(held));
}

/** Since the last heartbeat from there; null if none is expected. */
export function silentMs({ present }: Presences, locator: Locator, nowUs: number): number | null {
  const presence = getExpiring(present, formatLocator(locator), nowUs);
  return presence === undefined ? null : Math.round((nowUs - presence.heardUs) / 1000);
}

export interface PeerWord {
  readonly state: number;
  /** Since it was heard; 0 if it is unknown. */
  readonly silentMs: number;
}

/** What is known of the stack that is seen at one of `locators`. */
export function wordAbout(presences: Presences, locators: readonly Locator[], nowUs: number): PeerWord {
  for (const locator of locators) {
    const key = formatLocator(locator);
    const presence = getExpiring(presences.present, key, nowUs);
    const heardUs = presence?.heardUs ?? getExpiring(presences.departed, key, nowUs);
    if (heardUs === undefined) continue;
    const gone = presence === undefined || nowUs - heardUs >= intervalsOfDoubt * presence.intervalUs;
    return { state: gone ? PeerState.GONE : PeerState.ALIVE, silentMs: Math.round((nowUs - heardUs) / 1000) };
  }
  return { state: PeerState.UNKNOWN, silentMs: 0 };
}
