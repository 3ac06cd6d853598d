// Which connections may be put to rest (rest.ts): open ones with nothing under way, that no other record of the stack refers
// to and that no deadline concerns but those of keep-alive and of a peer that may be silent for long. What they hold does
// not matter: nothing of it is lost.

import { isIdle } from '../transport/index.ts';
import type { Connection, Migration } from './state.ts';

/** Asked whenever a connection with nothing urgent is armed: the likeliest reasons against it come first. */
export function mayRest(connection: Connection): boolean {
  const { tcb, state } = connection;
  if (tcb === undefined || state !== 'ESTABLISHED') return false;
  return isIdle(tcb) && isSettled(connection) && isAlone(connection) && isThere(connection);
}

/** Between the two ends and their applications. */
function isSettled(connection: Connection): boolean {
  const { ready, touched, unreadBytes, localEnd, remoteEnd, writeBlocked, over } = connection;
  if (ready || touched || unreadBytes > 0 || localEnd || remoteEnd || writeBlocked) return false;
  const { recordDeadlineUs, controlDeadlineUs, shedDeadlineUs } = connection;
  return over === undefined && Math.min(recordDeadlineUs, controlDeadlineUs, shedDeadlineUs) === Infinity;
}

/** Nothing but the tables knows it. */
function isAlone({ subflow, association, resuming, formerFlow }: Connection): boolean {
  return subflow === undefined && association === undefined && resuming === undefined && formerFlow === undefined;
}

/** Where it was opened, or has arrived, and where its peer is. */
function isThere(connection: Connection): boolean {
  const { link, challenge, leaving, arriving, formerPeer, strandedFrom, migration, allowanceBytes } = connection;
  if (link !== 0 || allowanceBytes !== Number.POSITIVE_INFINITY) return false;
  if (challenge !== undefined || formerPeer !== undefined || strandedFrom !== undefined) return false;
  return leaving === undefined && arriving === undefined && (migration === undefined || isOver(migration));
}

function isOver({ dueUs, askUs, target, awaited, unminted, place, rendezvous }: Migration): boolean {
  if (Math.min(dueUs, askUs) !== Number.POSITIVE_INFINITY || awaited || unminted) return false;
  return target === undefined && place === undefined && rendezvous === undefined;
}
