// What the other end of a stream owes, and how long its silence is borne (docs/protocol.md, "Liveness"): an ACK, the rest
// of a record, the reply to a client's request, more of what was arriving. What is owed has a deadline; a flow that is owed
// nothing costs nothing. Arrivals do not move the deadline: it comes too early, finds that the peer was heard, and is set
// again, so that the data path pays one comparison. What happens at the deadline stands in liveness.ts.

import {
  awaitsPeer,
  isFrozen,
  lastHeardUs,
  minRtoUs,
  movedBytes,
  outOfOrderBytes,
  readableBytes,
} from '../transport/index.ts';
import type { Connection } from './state.ts';

/** `ack`: nothing goes on without it. `reply`: may honestly take long. `rest`: nobody has promised that there is one. */
export type Owed = 'ack' | 'reply' | 'rest';

export interface Liveness {
  /** When to look at the flow; Infinity: nothing is owed. */
  dueUs: number;
  /** Since when something has been owed. */
  sinceUs: number;
  /** What had moved at the last look, and probes since something moved: the more, the rarer they get. */
  movedBytes: number;
  probes: number;
  /** The last ones of them, which stay without an answer; when the first and the last of these left. */
  unanswered: number;
  silentUs: number;
  probedUs: number;
  /** Somebody says that the peer is gone: since when (Infinity: nobody does), who, and in which words. */
  hintUs: number;
  hintBy: number;
  hint: string;
  /** When its host said unasked that nobody listens there: what is asked about already needs less silence. */
  wordUs: number;
  /** Who said so while it was alive, as bits: they are not believed again. */
  refuted: number;
}

/** Who may say that a peer is gone: its host, by an ICMP message to the driver, and the router. */
export const Informant = { NOBODY: 0, HOST: 1, ROUTER: 2 } as const;

const leastUs = 50_000;
/** The same, where its host has said that it is gone. */
const toldUs = 5_000;
const longestUs = 2_000_000;
/** After two minutes of probes that were answered while nothing moved. */
const manyProbes = 64;
const rareUs = 60_000_000;
/** So often the end of what was arriving is asked about. */
const restProbes = 4;
/** What the answer to a probe may take, beside the round trip. */
const leastAnswerUs = 5_000;
const insistUs = 250_000;
const longestInsistUs = 30_000_000;
/** Once the peer is said to be gone it is asked so often, for so long: one loss in a row of five must not end a flow. */
const lastQuestionsUs = 2_000;
const lastQuestioningUs = 8_000;
const leastLastWordUs = 20_000;
/**
 * A client may have another address without knowing. It speaks when it misses something itself: that may be the
 * timer of its retransmissions, which is never shorter, and counts from what it heard last.
 */
const clientTimerUs = minRtoUs + 60_000;
const unknownRttUs = 200_000;

export function createLiveness(): Liveness {
  return {
    dueUs: Number.POSITIVE_INFINITY,
    sinceUs: 0,
    movedBytes: 0,
    probes: 0,
    unanswered: 0,
    silentUs: 0,
    probedUs: 0,
    hintUs: Number.POSITIVE_INFINITY,
    hintBy: Informant.NOBODY,
    hint: '',
    wordUs: Number.NEGATIVE_INFINITY,
    refuted: 0,
  };
}

/** Sets the deadline once something has come to be owed. */
export function expectPeer(connection: Connection, nowUs: number): void {
  const { liveness } = connection;
  if (liveness.dueUs !== Number.POSITIVE_INFINITY) return;
  const kind = owed(connection);
  if (kind === undefined) return;
  liveness.sinceUs = nowUs;
  liveness.dueUs = nowUs + patienceUs(connection, kind);
}

/** Undefined: the peer may be silent as long as it likes. */
export function owed(connection: Connection): Owed | undefined {
  const { tcb, liveness } = connection;
  if (tcb === undefined || connection.state !== 'ESTABLISHED' || isFrozen(tcb)) return undefined;
  if (awaitsPeer(tcb)) return 'ack';
  // It may be our application that holds the peer up.
  if (connection.remoteEnd || connection.unreadBytes > 0) return undefined;
  if (readableBytes(tcb) > 0 || outOfOrderBytes(tcb) > 0) return 'ack';
  if (connection.awaitsReply) return connection.role === 'client' ? 'reply' : undefined;
  if (connection.receivedBytes === 0) return undefined;
  const pausing = liveness.probes < restProbes || liveness.unanswered > 0 || movedBytes(tcb) !== liveness.movedBytes;
  return pausing ? 'rest' : undefined;
}

/** How long the peer may be silent from `quietSinceUs` on until it is asked. */
export function patienceUs(connection: Connection, kind: Owed): number {
  const { probes, unanswered, probedUs, silentUs } = connection.liveness;
  const rtt = rttUs(connection);
  if (unanswered === 1) return Math.max(1.5 * rtt, leastAnswerUs);
  if (unanswered > 1) {
    const early = Math.min(insistUs, leastUs * 2 ** (unanswered - 2));
    return Math.max(2 * rtt, early, Math.min(longestInsistUs, (probedUs - silentUs) / 8));
  }
  if (isSaidGone(connection)) return toldUs;
  const quietUs = Math.max((kind === 'reply' ? 4 : 2) * rtt, leastUs);
  if (kind === 'rest') return quietUs * 4 ** Math.min(probes, restProbes);
  return probes > manyProbes ? rareUs : Math.max(quietUs, Math.min(longestUs, quietUs * 2 ** probes));
}

/** By its host, and what was heard since may have been on its way then. */
export function isSaidGone(connection: Connection): boolean {
  const { tcb, liveness } = connection;
  return tcb !== undefined && liveness.wordUs + rttUs(connection) > lastHeardUs(tcb);
}

/** When the peer was heard or asked last, or began to owe something. */
export function quietSinceUs({ tcb, liveness }: Connection): number {
  const heardUs = tcb === undefined ? 0 : lastHeardUs(tcb);
  return Math.max(heardUs, liveness.sinceUs, liveness.unanswered > 0 ? liveness.probedUs : 0);
}

/** Until when the peer, said to be gone, has the last word: after its last question, whose answer would come in time. */
export function lastWordUs(connection: Connection): number {
  const { role, liveness } = connection;
  const rtt = rttUs(connection);
  const answerUs = role === 'server' ? clientTimerUs + 2 * rtt : Math.max(lastQuestioningUs + rtt, leastLastWordUs);
  return liveness.hintUs + answerUs;
}

/** When the next one of these questions is due; Infinity: none is. */
export function lastQuestionUs({ liveness }: Connection): number {
  const nextUs = liveness.probedUs + lastQuestionsUs;
  return nextUs <= liveness.hintUs + lastQuestioningUs ? nextUs : Number.POSITIVE_INFINITY;
}

/** Of an end that only receives, the opening was long ago: it knows better from what arrives. */
export function rttUs({ tcb }: Connection): number {
  const sentUs = tcb?.rtt.srttUs || unknownRttUs;
  return Math.min(sentUs, tcb?.rcvRttUs || unknownRttUs);
}
