// The client's half of opening (docs/protocol.md, "Opening"): resolve, SYN, SYN-ACK, ACK. SYNs are repeated with
// back-off under a growing attempt number; an instance that refuses, or is not who the name demands, is avoided by the
// next attempt; only the router, or three refusals, end it. The first valid SYN-ACK wins; the sender of any other is reset.
// Whoever avoids an instance asks two at once: the one to be avoided may be dead, and it is the routers that rank them.

import { type Locator, Reason, sameBytes, sameLocator } from '../base/index.ts';
import { forgetOffer } from '../control/index.ts';
import {
  AnswerFlag,
  abandonExchange,
  createOffer,
  ExchangePattern,
  flowKeys,
  type Offer,
  OfferFlag,
  openingPrologue,
  type ReadAnswer,
  readAnswer,
  writeProof,
} from '../security/index.ts';
import { getExpiring } from '../tables/index.ts';
import { emitSyn, handleSegment, requestAck } from '../transport/index.ts';
import { Direction, parseCookie } from '../wire/index.ts';
import { type Association, enterAssociation } from './association-table.ts';
import { echoesNonce, queueClose } from './close.ts';
import { beginAssociation } from './datagram-flows.ts';
import { createGroup } from './flow-group.ts';
import { buildAck, buildResetFor, buildSyn, sendPacket, sendToPeer, synBytes } from './packets.ts';
import { beginPaths } from './paths.ts';
import { credentialOf, judgeServer, staticKeyOf } from './proof.ts';
import { findConnection } from './rest.ts';
import { createResuming } from './resume.ts';
import { type Route, routeFirstPacket, suspectRouter } from './route.ts';
import { joinSearch } from './search.ts';
import {
  arm,
  conclude,
  createConnection,
  emitEvent,
  markReady,
  releaseFlow,
  setPeer,
  tellWritable,
  touch,
} from './sockets.ts';
import type { Connection, Exchange, StackState } from './state.ts';
import { isAnswerTagged } from './tags.ts';
import { attachRecords, attachTransport } from './transports.ts';
import { type Input, type PeerProof, Protocol, type SocketId } from './types.ts';
import { readHandshake } from './workspace.ts';

const firstRetryUs = 300_000;
const defaultTimeoutUs = 10_000_000;
const maxRefusals = 3;
/** SYNs unanswered before a router found by search is searched for anew. */
const triesBeforeSuspicion = 2;
/** The router may ask for a cookie, and then the instance; more is a game played with us. */
const maxCookieRequests = 4;
/** Pairs of SYNs of which an instance to be avoided has answered one, after which there is no other. */
const maxAvoided = 3;

const nothing = new Uint8Array(0);
const noOffer: Offer = { ephemeralKey: { scalar: nothing, publicKey: nothing }, flags: 0, message: nothing };

type Request = Extract<Input, { kind: 'connect' }>;

/** Answers the new socket; what went wrong, if anything, follows as `closed`. */
export function connect(stack: StackState, input: Request): SocketId {
  return openFlow(stack, input, undefined)?.socket ?? refuseUnopened(stack);
}

/** Begins an opening, which may fail at once (`over`); undefined when the flow table is full. */
export function openFlow(
  stack: StackState,
  input: Request,
  association: Association | undefined,
): Connection | undefined {
  const security = input.security ?? {};
  const connection = createConnection(stack, {
    protocol: input.protocol,
    role: 'client',
    service: input.service,
    sourceService: input.source,
    listener: 0,
    stream: input.stream ?? {},
    security,
    via: input.via,
    resumes: input.resumes === true,
  });
  if (connection === undefined) return undefined;
  if (association !== undefined) enterAssociation(stack, connection, association);
  connection.state = 'RESOLVING';
  if (input.resuming === true && input.protocol === Protocol.TCP) connection.resuming = createResuming();
  connection.giveUpUs = stack.nowUs + (input.timeoutUs ?? defaultTimeoutUs);
  stack.counters.connectionsOpened++;
  const offer = createOffer(stack.options.primitives, wishes(stack, connection));
  connection.exchange = createExchange(offer, undefined, leadOf(stack, input));
  if (input.protocol === Protocol.TCP) attachTransport(stack, connection, undefined);
  if (input.protocol === Protocol.TCP && input.paths !== undefined) createGroup(connection, input.paths);
  sendSyn(stack, connection);
  return connection;
}

/** `segment`: the transport's SYN, once it has said it. */
export function createExchange(offer: Offer, segment: Uint8Array = nothing, avoid?: Locator): Exchange {
  const nothingYet = { pattern: 0, proof: undefined, cookie: undefined, cookieRequests: 0 };
  return { offer, segment, ...nothingYet, avoid, avoided: 0, avoidedAttempt: -1 };
}

/** Where the socket to be avoided leads, or led. An offer that was found there ad hoc is forgotten. */
function leadOf(stack: StackState, { avoid, service, protocol }: Request): Locator | undefined {
  if (avoid === undefined) return undefined;
  const lead = findConnection(stack, avoid)?.peer ?? getExpiring(stack.departed, avoid, stack.nowUs);
  if (lead !== undefined) forgetOffer(stack.discovery, service, protocol, lead);
  return lead;
}

function wishes(stack: StackState, { security, resumes, resuming }: Connection): number {
  const { insecure, identity } = security;
  const clear = insecure === true && stack.options.forbidInsecure !== true;
  const named = identity === undefined ? 0 : OfferFlag.IDENTITY;
  const lost = resuming === undefined ? 0 : OfferFlag.RESUMING;
  return (clear ? OfferFlag.INSECURE : 0) | named | (resumes ? OfferFlag.RESUMES : 0) | lost;
}

function refuseUnopened(stack: StackState): SocketId {
  const socket = stack.nextSocket++;
  emitEvent(stack, { kind: 'closed', socket, reason: Reason.LIMIT, detail: 'the flow table is full' });
  return socket;
}

/** Sends a SYN where the name leads now, or waits for the search, or fails. */
export function sendSyn(stack: StackState, connection: Connection): void {
  const { attempt, exchange } = connection;
  const route = routeSyn(stack, connection, attempt);
  if (route.kind === 'refuse' && route.reason === Reason.TRY_LATER) return waitForRetry(stack, connection);
  if (route.kind === 'refuse') return fail(stack, connection, route.reason, route.detail);
  if (route.kind === 'wait') return waitForSearch(stack, connection);
  noteSegment(stack, connection);
  transmitSyn(stack, connection, route.locator, attempt);
  const second = exchange?.avoid === undefined ? undefined : routeSyn(stack, connection, attempt + nextRank);
  if (second?.kind === 'send') transmitSyn(stack, connection, second.locator, attempt + nextRank);
  waitForRetry(stack, connection);
}

/** Routers rank by `attempt >> 1`. */
const nextRank = 2;

function routeSyn(stack: StackState, connection: Connection, attempt: number): Route {
  const { service, protocol, localFlow, localNonce, via } = connection;
  if (via !== undefined) return { kind: 'send', locator: via };
  return routeFirstPacket(stack, service, protocol, localFlow, localNonce, attempt >> 1, synBytes);
}

function transmitSyn(stack: StackState, connection: Connection, remote: Locator, attempt: number): void {
  connection.peer = remote;
  connection.state = 'SYN-SENT';
  const { avoid } = connection.exchange ?? {};
  if (avoid === undefined || !sameLocator(avoid, remote)) sendPacket(stack, buildSyn(connection, attempt), remote);
}

/** The same ranks once more, then the next ones. */
function raiseAttempt(connection: Connection): void {
  const { attempt, exchange } = connection;
  const done = exchange?.avoid !== undefined && (attempt & 1) === 1;
  connection.attempt = Math.min(lastAttempt, attempt + (done ? 1 + nextRank : 1));
}

/** The second SYN's is two more, and a byte. */
const lastAttempt = 252;

/** Each repetition says the same, since the transcript of the key exchange covers it; the transport counts it. */
function noteSegment({ nowUs, work }: StackState, { tcb, exchange }: Connection): void {
  if (tcb === undefined || exchange === undefined) return;
  const length = emitSyn(tcb, nowUs, work.segmentView, 0);
  if (exchange.segment.length === 0) exchange.segment = work.segment.slice(0, length);
}

function waitForRetry(stack: StackState, connection: Connection): void {
  connection.state = 'SYN-SENT';
  connection.controlDeadlineUs = Math.min(
    stack.nowUs + firstRetryUs * 2 ** connection.controlTries,
    connection.giveUpUs,
  );
  arm(stack, connection);
}

function waitForSearch(stack: StackState, connection: Connection): void {
  joinSearch(stack, connection.service, connection.protocol).sockets.add(connection.socket);
  connection.state = 'RESOLVING';
  connection.controlDeadlineUs = connection.giveUpUs;
  arm(stack, connection);
}

/** The search for the name ended: go on, or learn that nobody is there. */
export function resumeOpening(stack: StackState, socket: SocketId, found: boolean): void {
  const connection = stack.sockets.get(socket);
  if (connection?.kind !== 'connection' || connection.state !== 'RESOLVING') return;
  if (found) sendSyn(stack, connection);
  else fail(stack, connection, Reason.NO_SUCH_SERVICE, 'no router was found and nobody on this network announces it');
}

/** The retry deadline of an opening has come. */
export function retrySyn(stack: StackState, connection: Connection): void {
  if (stack.nowUs >= connection.giveUpUs) {
    const whom = connection.state === 'RESOLVING' ? 'the search found nothing' : 'no answer to the SYN';
    const reason = connection.postponed ? Reason.TRY_LATER : Reason.TIMED_OUT;
    return fail(stack, connection, reason, `${whom} after ${connection.controlTries + 1} attempts`);
  }
  connection.controlTries++;
  raiseAttempt(connection);
  forgetCookie(connection);
  if (connection.controlTries === triesBeforeSuspicion && connection.via === undefined) suspectRouter(stack);
  sendSyn(stack, connection);
}

/** A SYN-ACK counts only if it proves that its sender has read our SYN and is who the name demands. */
export function handleSynAck(stack: StackState, connection: Connection): Reason {
  if (connection.state !== 'SYN-SENT') return handleLateSynAck(stack, connection);
  const { exchange } = connection;
  if (exchange !== undefined && isToBeAvoided(stack, exchange)) return turnAway(stack, connection, exchange);
  const answer = exchange && readServer(stack, connection, exchange);
  if (exchange === undefined || answer === undefined) return Reason.NOT_AUTHENTIC;
  const { state, server } = answer;
  const insecure = (server.flags & AnswerFlag.INSECURE) !== 0;
  const wanted = connection.security.insecure === true && stack.options.forbidInsecure !== true;
  connection.peer = stack.remote;
  const verdict = judgeServer(stack, connection, server, insecure);
  if (insecure && !wanted) return refuseServer(stack, connection, answer, 'it wants to talk in the clear');
  if ('detail' in verdict) return refuseServer(stack, connection, answer, verdict.detail);
  if (exchange.pattern === ExchangePattern.XX && connection.security.identity === undefined)
    return refuseToProve(stack, connection, answer);
  if (connection.tcb !== undefined) {
    const { packet, view, bytes } = stack.work;
    const { payloadOffset, payloadBytes } = packet;
    const taken = handleSegment(connection.tcb, stack.nowUs, view, bytes, payloadOffset, payloadBytes);
    if (taken !== Reason.OK) {
      abandonExchange(state);
      return taken;
    }
  }
  if (exchange.pattern === ExchangePattern.XX)
    exchange.proof = writeProof(state, { flags: 0, credential: credentialOf(connection) });
  connection.keys = flowKeys(stack.options.primitives, state, true);
  open(stack, connection, verdict.proof);
  return Reason.OK;
}

/** Undefined: not an answer to our SYN, or spoilt on its way. The transcript is begun anew for each answer. */
function readServer(stack: StackState, connection: Connection, exchange: Exchange): ReadAnswer | undefined {
  const { offer, segment } = exchange;
  const message = readHandshake(stack.work, 1);
  if (message === undefined) return undefined;
  const { protocol, service, sourceService: source, localFlow: flow, localNonce: nonce } = connection;
  const prologue = openingPrologue({ protocol, service, source, flow, nonce, segment });
  exchange.pattern = stack.work.handshake.pattern;
  const key = staticKeyOf(stack, connection);
  const answer = readAnswer(stack.options.primitives, prologue, offer, exchange.pattern, message, key);
  if (answer === undefined || isAnswerTagged(stack, answer.answerKey)) return answer;
  abandonExchange(answer.state);
  return undefined;
}

/** The keys are there: from here on the application's bytes may leave. */
function open(stack: StackState, connection: Connection, proof: PeerProof): void {
  const { control } = stack.work;
  connection.remoteFlow = { hi: control.flowHi, lo: control.flowLo };
  connection.remoteNonce = { hi: control.nonceHi, lo: control.nonceLo };
  connection.peerProof = proof;
  connection.state = 'ESTABLISHED';
  forgetExchange(connection);
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  attachRecords(stack, connection);
  setPeer(stack, connection, stack.remote);
  if (connection.subflow !== undefined) beginPaths(stack, connection.subflow);
  if (connection.association === undefined)
    emitEvent(stack, { kind: 'connected', socket: connection.socket, service: connection.service, peer: proof });
  tellWritable(stack, connection);
  if (connection.localEnd) queueClose(stack, connection);
  acknowledgeOpening(stack, connection);
  if (connection.association !== undefined) beginAssociation(stack, connection, connection.association);
  touch(stack, connection);
}

/** The secrets are not needed any more; the proof is, until it is known to have arrived. */
function forgetExchange(connection: Connection): void {
  const { pattern, proof } = connection.exchange ?? {};
  connection.exchange = proof === undefined ? undefined : { ...createExchange(noOffer), pattern: pattern ?? 0, proof };
}

function isToBeAvoided({ remote }: StackState, { avoid }: Exchange): boolean {
  return avoid !== undefined && sameLocator(avoid, remote);
}

/** The instance to be avoided is alive: it must not keep half a connection. */
function turnAway(stack: StackState, connection: Connection, exchange: Exchange): Reason {
  sendPacket(stack, buildResetFor(stack.work.control, Reason.DUPLICATE), stack.remote);
  return countAvoided(stack, connection, exchange);
}

/** Another instance may still answer. A pair of SYNs counts once, however often and late it is answered. */
function countAvoided(stack: StackState, connection: Connection, exchange: Exchange): Reason {
  const { attempt } = connection;
  if (exchange.avoidedAttempt !== attempt && ++exchange.avoided >= maxAvoided)
    fail(stack, connection, Reason.NO_INSTANCE, 'only the instance that is to be avoided answers');
  exchange.avoidedAttempt = attempt;
  return Reason.DUPLICATE;
}

/** An honest answer of somebody who must not serve this name. The next attempt meets another instance, three times. */
function refuseServer(stack: StackState, connection: Connection, { state }: ReadAnswer, detail: string): Reason {
  abandonExchange(state);
  sendPacket(stack, buildResetFor(stack.work.control, Reason.UNTRUSTED), stack.remote);
  if (++connection.refusals >= maxRefusals) fail(stack, connection, Reason.UNTRUSTED, detail);
  else avoidInstance(stack, connection);
  return Reason.UNTRUSTED;
}

/** It demands a key and there is none: known only now, since a pattern that is not in an authentic answer means nothing. */
function refuseToProve(stack: StackState, connection: Connection, { state }: ReadAnswer): Reason {
  abandonExchange(state);
  sendPacket(stack, buildResetFor(stack.work.control, Reason.NOT_AUTHORIZED), stack.remote);
  fail(stack, connection, Reason.NOT_AUTHORIZED, 'no identity was given to this client');
  return Reason.NOT_AUTHORIZED;
}

/** A repeated SYN-ACK of our peer: our ACK was lost. One of another instance: it must not keep half a connection. */
function handleLateSynAck(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const ours = control.flowHi === connection.remoteFlow.hi && control.flowLo === connection.remoteFlow.lo;
  if (ours && connection.state === 'ESTABLISHED') acknowledgeOpening(stack, connection);
  else sendPacket(stack, buildResetFor(control, Reason.DUPLICATE), stack.remote);
  return Reason.DUPLICATE;
}

/** A stream's next segments carry the ACK; a datagram flow has none, so the ACK goes by itself. */
function acknowledgeOpening(stack: StackState, connection: Connection): void {
  if (connection.tcb === undefined) return sendToPeer(stack, buildAck(stack, connection), connection);
  requestAck(connection.tcb, stack.nowUs);
  markReady(stack, connection);
}

/** FAIL: from the router it is final; from an instance it leads to another one, three times. */
export function handleRefusal(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  const { exchange } = connection;
  if (connection.state !== 'SYN-SENT') return Reason.BAD_STATE;
  if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
  const reason = control.reason as Reason;
  if (reason === Reason.COOKIE_REQUIRED) return showCookie(stack, connection);
  if (reason === Reason.TRY_LATER) connection.postponed = true;
  else if (reason !== Reason.REFUSED && reason !== Reason.OVERLOADED)
    fail(stack, connection, reason, 'the router refused');
  else if (exchange !== undefined && isToBeAvoided(stack, exchange)) return countAvoided(stack, connection, exchange);
  else if (++connection.refusals >= maxRefusals) fail(stack, connection, reason, 'three instances refused');
  else avoidInstance(stack, connection);
  return Reason.OK;
}

/** The same SYN with the cookie goes straight to whoever asked for it. */
function showCookie(stack: StackState, connection: Connection): Reason {
  const { packet, view, bytes, cookie } = stack.work;
  const { exchange } = connection;
  if (exchange === undefined || packet.cookieOffset === 0) return Reason.BAD_STATE;
  const verdict = parseCookie(view, packet.cookieOffset, cookie);
  if (verdict !== Reason.OK) return verdict;
  if (cookie.direction !== Direction.REQUEST) return Reason.BAD_STATE;
  const shown = bytes.slice(cookie.cookieOffset, cookie.cookieOffset + cookie.cookieBytes);
  // Two SYNs left at once, and the router asks for each.
  if (exchange.cookie !== undefined && sameBytes(exchange.cookie, shown)) return Reason.DUPLICATE;
  if (++exchange.cookieRequests > maxCookieRequests) return Reason.LIMIT;
  exchange.cookie = shown;
  noteSegment(stack, connection);
  transmitSyn(stack, connection, stack.remote, connection.attempt);
  if (exchange.avoid !== undefined) transmitSyn(stack, connection, stack.remote, connection.attempt + nextRank);
  return Reason.OK;
}

/** The next even attempt ranks another instance first. A peer found ad hoc is forgotten: its offer was stale. */
function avoidInstance(stack: StackState, connection: Connection): void {
  const ranks = connection.exchange?.avoid === undefined ? 1 : 1 | nextRank;
  connection.attempt = Math.min(lastAttempt, (connection.attempt | ranks) + 1);
  forgetCookie(connection);
  forgetOffer(stack.discovery, connection.service, connection.protocol, connection.peer);
  sendSyn(stack, connection);
}

/** The next SYN may meet somebody else, who would not know the cookie. */
function forgetCookie({ exchange }: Connection): void {
  if (exchange === undefined) return;
  exchange.cookie = undefined;
  exchange.cookieRequests = 0;
}

/** The opening failed: nothing was exchanged, so nothing lingers. */
function fail(stack: StackState, connection: Connection, reason: Reason, detail: string): void {
  releaseFlow(stack, connection);
  conclude(stack, connection, reason, detail);
}
