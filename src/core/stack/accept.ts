// The server's half of opening, up to its answer. A SYN for a name bound here makes one half-open connection and one SYN-ACK;
// the same SYN from the same address again gets the byte-identical SYN-ACK. One that was changed on its way, or comes from
// elsewhere, is another SYN: it must neither spoil the true one's answer nor turn what was proven elsewhere upon its
// address. Half-open connections are bounded and small (half-open.ts), and what is sent to their address is bounded by what
// came from there. A datagram socket takes SYNs, too: what opens there is an association (associations.ts).

import { type FlowId, type Locator, Reason, randomId, type ServiceId } from '../base/index.ts';
import {
  AnswerFlag,
  abandonExchange,
  answerOffer,
  ExchangePattern,
  generateKeyPair,
  OfferFlag,
  offerFlags,
  openingPrologue,
  saveExchange,
} from '../security/index.ts';
import {
  allocate,
  cancel,
  deleteExpiring,
  flowEntries,
  flowIndex,
  free,
  getExpiring,
  schedule,
  setExpiring,
  type Target,
} from '../tables/index.ts';
import { destroyTcb, emitSyn, handleSegment, type Tcb } from '../transport/index.ts';
import { type Control, maxTcpHeaderBytes } from '../wire/index.ts';
import { answerOf, localFlowOf, type Opening, packOpening, peerOf, wipe } from './half-open.ts';
import { admitSyn } from './limits.ts';
import { buildRefusal, buildSynAck, sendForStranger } from './packets.ts';
import { credentialOf, staticKeyOf } from './proof.ts';
import { turnsAway } from './shed.ts';
import { findBinding } from './sockets.ts';
import type { Binding, HalfOpen, StackState } from './state.ts';
import { makeTransport } from './transports.ts';
import { Protocol } from './types.ts';
import { readHandshake } from './workspace.ts';

const firstRetryUs = 300_000;
/** After the last one a half-open connection is gone, 9.3 s after its SYN: the client has given up by then. */
const maxRetries = 4;
/** A SYN may still arrive twice after this long only from a broken network. */
const duplicateUs = 15_000_000;
/** Towards an address that has proven nothing: so many bytes for each that came from there. */
const amplification = 3;
const nothing = new Uint8Array(0);

export interface Syn {
  readonly service: ServiceId;
  readonly source: ServiceId | undefined;
  readonly control: Readonly<Control>;
  readonly protocol: number;
  /** Where the answer goes: the sender, or the client as the first router saw it. */
  readonly client: Locator;
  /** It came through a router. */
  readonly routed: boolean;
  /** Of the datagram, padding included. */
  readonly datagramBytes: number;
}

/** A SYN that resolved to `target`, a socket of this stack. */
export function acceptSyn(stack: StackState, target: Target, syn: Syn): Reason {
  const offer = readOffer(stack);
  const covered = coveredBy(stack, syn);
  const key = openingKey(stack, covered, offer ?? nothing);
  const known = getExpiring(stack.opened, key, stack.nowUs);
  if (known !== undefined) return repeatSynAck(stack, known, syn);
  const listener = findBinding(stack, target.socket);
  if (listener === undefined) return refuseSyn(stack, syn, Reason.REFUSED);
  if (listener.closing || listener.protocol !== syn.protocol) return refuseSyn(stack, syn, Reason.REFUSED);
  if (turnsAway(stack, listener, syn.control.attempt)) return refuseSyn(stack, syn, Reason.OVERLOADED);
  if (stack.halfOpen >= stack.limits.halfOpen || listener.halfOpen >= listener.backlog) return Reason.QUEUE_FULL;
  const admitted = admitSyn(stack, syn.service, syn.client);
  return admitted === Reason.OK ? openHalf(stack, listener, syn, covered, offer, key) : admitted;
}

/** The client's first message, copied. */
function readOffer({ work }: StackState): Uint8Array | undefined {
  const offer = readHandshake(work, 0);
  return work.handshake.pattern === ExchangePattern.OPEN ? offer : undefined;
}

function openHalf(
  stack: StackState,
  listener: Binding,
  syn: Syn,
  covered: Covered,
  offer: Uint8Array | undefined,
  key: string,
): Reason {
  const flags = offer && offerFlags(offer);
  if (offer === undefined || flags === undefined) return Reason.BAD_EXTENSION;
  // It is kept until the opening is complete.
  if (covered.segment.length > maxTcpHeaderBytes) return Reason.BAD_SEGMENT;
  const half = createHalf(stack, listener, syn, flags, key);
  const localFlow = allocate(stack.flows, stack.random, half);
  if (localFlow === undefined) return Reason.LIMIT;
  const verdict = answer(stack, listener, half, localFlow, covered, offer);
  if (verdict !== Reason.OK) {
    free(stack.flows, localFlow);
    return verdict;
  }
  listener.halfOpen++;
  stack.halfOpen++;
  setExpiring(stack.opened, key, half, stack.nowUs + duplicateUs);
  sendSynAck(stack, half);
  return Reason.OK;
}

function createHalf(
  { options }: StackState,
  { socket, security }: Binding,
  syn: Syn,
  flags: number,
  key: string,
): HalfOpen {
  const wanted = (flags & OfferFlag.INSECURE) !== 0 && security.insecure === true;
  const mutual = (flags & OfferFlag.IDENTITY) !== 0 || security.requireKey === true;
  return {
    kind: 'half-open',
    protocol: syn.protocol,
    listener: socket,
    openingKey: key,
    pattern: mutual ? ExchangePattern.XX : ExchangePattern.NX,
    insecure: wanted && options.forbidInsecure !== true,
    resumes: (flags & OfferFlag.RESUMES) !== 0,
    resuming: (flags & OfferFlag.RESUMING) !== 0 && syn.protocol === Protocol.TCP,
    memory: nothing,
    answerBytes: 0,
    tries: 0,
    receivedBytes: syn.datagramBytes,
    sentBytes: 0,
  };
}

/** Makes the SYN-ACK, and what will make the connection out of its ACK. */
function answer(
  stack: StackState,
  listener: Binding,
  half: HalfOpen,
  localFlow: FlowId,
  covered: Covered,
  offer: Uint8Array,
): Reason {
  const { random, options, nowUs } = stack;
  const { primitives } = options;
  const { protocol, pattern } = half;
  const { prologue, segment } = covered;
  const facts = { localFlow, localNonce: randomId(random), ...covered };
  const answered = answerOffer(
    primitives,
    {
      prologue,
      pattern,
      staticKey: staticKeyOf(stack, listener),
      ephemeralKey: generateKeyPair(primitives),
      hello: { flags: half.insecure ? AnswerFlag.INSECURE : 0, credential: credentialOf(listener) },
    },
    offer,
  );
  if (answered === undefined) return Reason.NOT_AUTHENTIC;
  const said = { iss: random.uint32(), tsOffset: random.uint32(), answeredUs: nowUs, segment };
  const reply = protocol === Protocol.TCP ? answerSegment(stack, listener, said) : nothing;
  if (typeof reply === 'number') {
    abandonExchange(answered.state);
    return reply;
  }
  const synAck = buildSynAck(stack, { protocol, ...facts }, pattern, answered, reply);
  half.answerBytes = synAck.length;
  half.memory = packOpening(synAck, { ...facts, ...said, exchange: saveExchange(answered.state) });
  return Reason.OK;
}

/** What is known of an opening from its SYN, and the prologue of its exchange, which covers all of it but the address. */
type Covered = ReturnType<typeof coveredBy>;

function coveredBy({ work }: StackState, { protocol, control, service, source, client }: Syn) {
  const { packet, bytes } = work;
  const flow = { hi: control.flowHi, lo: control.flowLo };
  const nonce = { hi: control.nonceHi, lo: control.nonceLo };
  const segment = bytes.slice(packet.payloadOffset, packet.payloadOffset + packet.payloadBytes);
  const prologue = openingPrologue({ protocol, service, source, flow, nonce, segment });
  return { service, source, remoteFlow: flow, remoteNonce: nonce, peer: client, segment, prologue };
}

type Said = Pick<Opening, 'iss' | 'tsOffset' | 'answeredUs' | 'segment'>;

/** What the transport says in the SYN-ACK; it is not kept. */
function answerSegment(stack: StackState, { stream }: Binding, said: Said): Uint8Array | Reason {
  const { segmentView, segment } = stack.work;
  const tcb = makeTransport(stack, stream, said);
  const verdict = takeSyn(tcb, said);
  const length = verdict === Reason.OK ? emitSyn(tcb, said.answeredUs, segmentView, 0) : 0;
  destroyTcb(tcb);
  return verdict === Reason.OK ? segment.slice(0, length) : verdict;
}

/** The client's SYN, for a transport made as `answeredUs` was. */
export function takeSyn(tcb: Tcb, { segment, answeredUs }: Pick<Opening, 'segment' | 'answeredUs'>): Reason {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  return handleSegment(tcb, answeredUs, view, segment, 0, segment.length);
}

/** What two SYNs have in common if they are one: the sender, and all that the transcript of the exchange covers. */
function openingKey(stack: StackState, { prologue, peer }: Covered, offer: Uint8Array): string {
  const { address, port } = peer;
  const key = new Uint8Array(prologue.length + offer.length + address.length + 2);
  key.set(prologue);
  key.set(offer, prologue.length);
  key.set(address, prologue.length + offer.length);
  key[key.length - 2] = port >> 8;
  key[key.length - 1] = port & 0xff;
  return String.fromCharCode(...stack.options.primitives.sha256(key));
}

function repeatSynAck(stack: StackState, known: HalfOpen | 'over', syn: Syn): Reason {
  if (known === 'over') return Reason.DUPLICATE;
  known.receivedBytes += syn.datagramBytes;
  transmitSynAck(stack, known);
  return Reason.DUPLICATE;
}

/** Never more than three times what came from the address: a spoofed SYN must not make us a weapon. */
function transmitSynAck(stack: StackState, half: HalfOpen): void {
  if (half.sentBytes + half.answerBytes > amplification * half.receivedBytes) return;
  half.sentBytes += half.answerBytes;
  sendForStranger(stack, answerOf(half), peerOf(half));
}

function sendSynAck(stack: StackState, half: HalfOpen): void {
  transmitSynAck(stack, half);
  const retryUs = stack.nowUs + firstRetryUs * 2 ** half.tries;
  schedule(stack.timers, flowIndex(stack.flows, localFlowOf(half)), retryUs);
}

export function retrySynAck(stack: StackState, half: HalfOpen): void {
  if (++half.tries > maxRetries) return dropHalfOpen(stack, half);
  sendSynAck(stack, half);
}

/** It is half-open no longer. Answers who it came for. */
export function leaveHalfOpen(stack: StackState, half: HalfOpen): Binding | undefined {
  wipe(half);
  stack.halfOpen--;
  const listener = findBinding(stack, half.listener);
  if (listener === undefined) return undefined;
  listener.halfOpen--;
  if (listener.closing && listener.halfOpen === 0) stack.controlPlaneUs = 0;
  return listener;
}

/** The same SYN after this finds that the connection was made of it. */
export function rememberOpened(stack: StackState, { openingKey }: HalfOpen): void {
  setExpiring(stack.opened, openingKey, 'over', stack.nowUs + duplicateUs);
}

/** A half-open connection ends without ever having been told to the application. */
export function dropHalfOpen(stack: StackState, half: HalfOpen): void {
  const localFlow = localFlowOf(half);
  deleteExpiring(stack.opened, half.openingKey);
  cancel(stack.timers, flowIndex(stack.flows, localFlow));
  free(stack.flows, localFlow);
  leaveHalfOpen(stack, half);
}

/** Half-open connections of a listener that closes. */
export function halfOpenOf(stack: StackState, listener: Binding): HalfOpen[] {
  const found: HalfOpen[] = [];
  if (listener.halfOpen === 0) return found;
  for (const flow of flowEntries(stack.flows))
    if (flow.kind === 'half-open' && flow.listener === listener.socket) found.push(flow);
  return found;
}

/** Tells the client at once, so that it need not wait for its timeout. */
export function refuseSyn(stack: StackState, syn: Syn, reason: Reason): Reason {
  stack.counters.refused++;
  sendForStranger(stack, buildRefusal(syn.control, reason), syn.client);
  return reason;
}
