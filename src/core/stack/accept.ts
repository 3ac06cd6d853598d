// The server's half of opening. A SYN for a name bound here makes one half-open connection and one SYN-ACK; the same SYN
// from the same address again gets the byte-identical SYN-ACK. One that was changed on its way, or comes from elsewhere,
// is another SYN: it must neither spoil the true one's answer nor turn what was proven elsewhere upon its address.
// `connection` fires on the ACK, whose tag shows that the client has the keys. Half-open connections are bounded, hold no
// transport (it is made anew from the SYN when the ACK comes), and what is sent to their address is bounded by what came
// from there. A datagram socket takes SYNs, too: what opens there is an association (associations.ts).

import { type Locator, Reason, type ServiceId } from '../base/index.ts';
import {
  type Answer,
  AnswerFlag,
  abandonExchange,
  answerOffer,
  ExchangePattern,
  flowKeys,
  generateKeyPair,
  OfferFlag,
  offerFlags,
  openingPrologue,
  readProof,
} from '../security/index.ts';
import { deleteExpiring, getExpiring, setExpiring, type Target } from '../tables/index.ts';
import { destroyTcb, emitSyn, handleSegment, type Tcb } from '../transport/index.ts';
import { type Control, maxTcpHeaderBytes, parseHandshake } from '../wire/index.ts';
import { admitSyn, countPeer, settleSynDebt } from './limits.ts';
import { buildConnectionReset, buildRefusal, buildSynAck, sendForStranger, sendPacket } from './packets.ts';
import { credentialOf, judgeClient, proofOf, staticKeyOf } from './proof.ts';
import {
  arm,
  attachRecords,
  attachTransport,
  createConnection,
  emitEvent,
  makeTransport,
  releaseFlow,
  releaseKeys,
  setPeer,
} from './sockets.ts';
import { type Binding, blankExchange, type Connection, type Exchange, type StackState } from './state.ts';
import { isTagged } from './tags.ts';
import { Protocol } from './types.ts';
import { readHandshake } from './workspace.ts';

const firstRetryUs = 300_000;
const maxRetries = 5;
/** A SYN may still arrive twice after this long only from a broken network. */
const duplicateUs = 15_000_000;
/** Towards an address that has proven nothing: so many bytes for each that came from there. */
const amplification = 3;

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
  const key = openingKey(stack, syn, offer ?? nothing);
  const known = getExpiring(stack.opened, key, stack.nowUs);
  if (known !== undefined) return repeatSynAck(stack, known, syn);
  const listener = stack.sockets.get(target.socket);
  if (listener === undefined || listener.kind === 'connection') return refuseSyn(stack, syn, Reason.REFUSED);
  if (listener.closing || listener.protocol !== syn.protocol) return refuseSyn(stack, syn, Reason.REFUSED);
  if (stack.halfOpen >= stack.limits.halfOpen || listener.halfOpen >= listener.backlog) return Reason.QUEUE_FULL;
  const admitted = admitSyn(stack, syn.service, syn.client);
  return admitted === Reason.OK ? openHalf(stack, listener, syn, offer, key) : admitted;
}

const nothing = new Uint8Array(0);

function openHalf(stack: StackState, listener: Binding, syn: Syn, offer: Uint8Array | undefined, key: string): Reason {
  const flags = offer && offerFlags(offer);
  if (offer === undefined || flags === undefined) return Reason.BAD_EXTENSION;
  const connection = createConnection(stack, {
    protocol: syn.protocol,
    role: 'server',
    service: syn.service,
    sourceService: undefined,
    listener: listener.socket,
    stream: listener.stream,
    security: listener.security,
    via: undefined,
  });
  if (connection === undefined) return Reason.LIMIT;
  connection.remoteService = syn.source;
  connection.remoteFlow = { hi: syn.control.flowHi, lo: syn.control.flowLo };
  connection.remoteNonce = { hi: syn.control.nonceHi, lo: syn.control.nonceLo };
  connection.peer = syn.client;
  const verdict = answer(stack, connection, syn, offer, flags, key);
  if (verdict !== Reason.OK) {
    discard(stack, connection);
    return verdict;
  }
  connection.state = 'SYN-RECEIVED';
  listener.halfOpen++;
  stack.halfOpen++;
  setExpiring(stack.opened, key, connection.socket, stack.nowUs + duplicateUs);
  sendSynAck(stack, connection);
  return Reason.OK;
}

/** The client's first message, copied. */
function readOffer({ work }: StackState): Uint8Array | undefined {
  const offer = readHandshake(work, 0);
  return work.handshake.pattern === ExchangePattern.OPEN ? offer : undefined;
}

/** Makes the SYN-ACK, and what will make the connection out of its ACK. */
function answer(
  stack: StackState,
  connection: Connection,
  syn: Syn,
  offer: Uint8Array,
  flags: number,
  key: string,
): Reason {
  const { security, protocol } = connection;
  const { packet, bytes } = stack.work;
  // It is kept until the opening is complete.
  if (packet.payloadBytes > maxTcpHeaderBytes) return Reason.BAD_SEGMENT;
  const segment = bytes.slice(packet.payloadOffset, packet.payloadOffset + packet.payloadBytes);
  const exchange = createExchange(stack, segment, syn.datagramBytes, offer, key);
  connection.exchange = exchange;
  const wanted = (flags & OfferFlag.INSECURE) !== 0 && security.insecure === true;
  exchange.insecure = wanted && stack.options.forbidInsecure !== true;
  const mutual = (flags & OfferFlag.IDENTITY) !== 0 || security.requireKey === true;
  exchange.pattern = mutual ? ExchangePattern.XX : ExchangePattern.NX;
  const answered = makeAnswer(stack, connection, exchange);
  if (answered === undefined) return Reason.NOT_AUTHENTIC;
  exchange.state = answered.state;
  if (!mutual) finishExchange(stack, connection, exchange);
  const reply = protocol === Protocol.TCP ? answerSegment(stack, connection, exchange) : nothing;
  if (typeof reply === 'number') return reply;
  connection.controlPacket = buildSynAck(stack, connection, exchange.pattern, answered, reply);
  return Reason.OK;
}

/** The second message, the same each time: a packet that was spoilt around a true proof must not end the exchange. */
function makeAnswer(stack: StackState, connection: Connection, exchange: Exchange): Answer | undefined {
  const { protocol, service, remoteService: source, remoteFlow: flow, remoteNonce: nonce } = connection;
  const { segment, pattern, offerMessage, ephemeralKey } = exchange;
  if (ephemeralKey === undefined) return undefined;
  const hello = {
    flags: exchange.insecure ? AnswerFlag.INSECURE : 0,
    credential: credentialOf(connection),
  };
  const prologue = openingPrologue({ protocol, service, source, flow, nonce, segment });
  const staticKey = staticKeyOf(stack, connection);
  return answerOffer(stack.options.primitives, { prologue, pattern, staticKey, ephemeralKey, hello }, offerMessage);
}

function createExchange(
  stack: StackState,
  segment: Uint8Array,
  receivedBytes: number,
  offerMessage: Uint8Array,
  openingKey: string,
): Exchange {
  const { random } = stack;
  return {
    ...blankExchange(),
    openingKey,
    offerMessage,
    ephemeralKey: generateKeyPair(stack.options.primitives),
    iss: random.uint32(),
    tsOffset: random.uint32(),
    answeredUs: stack.nowUs,
    segment,
    receivedBytes,
  };
}

/** NX ends here: nothing is answered a second time, so nothing is kept for it. */
function finishExchange(stack: StackState, connection: Connection, exchange: Exchange): void {
  takeKeys(stack, connection, exchange);
  exchange.ephemeralKey?.scalar.fill(0);
  exchange.ephemeralKey = undefined;
  exchange.offerMessage = nothing;
}

function takeKeys(stack: StackState, connection: Connection, exchange: Exchange): void {
  if (exchange.state === undefined) return;
  connection.keys = flowKeys(stack.options.primitives, exchange.state, false);
  exchange.state = undefined;
}

/** What the transport says in the SYN-ACK; it is not kept. */
function answerSegment(stack: StackState, connection: Connection, exchange: Exchange): Uint8Array | Reason {
  const { segmentView, segment } = stack.work;
  const tcb = makeTransport(stack, connection, exchange);
  const verdict = takeSyn(tcb, exchange);
  const length = verdict === Reason.OK ? emitSyn(tcb, exchange.answeredUs, segmentView, 0) : 0;
  destroyTcb(tcb);
  return verdict === Reason.OK ? segment.slice(0, length) : verdict;
}

function takeSyn(tcb: Tcb, { segment, answeredUs }: Exchange): Reason {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  return handleSegment(tcb, answeredUs, view, segment, 0, segment.length);
}

/** What two SYNs have in common if they are one: the sender, and all that the transcript of the exchange covers. */
function openingKey(stack: StackState, { control, protocol, service, source, client }: Syn, offer: Uint8Array): string {
  const { packet, bytes } = stack.work;
  const segment = bytes.subarray(packet.payloadOffset, packet.payloadOffset + packet.payloadBytes);
  const flow = { hi: control.flowHi, lo: control.flowLo };
  const nonce = { hi: control.nonceHi, lo: control.nonceLo };
  const prologue = openingPrologue({ protocol, service, source, flow, nonce, segment });
  const { address, port } = client;
  const key = new Uint8Array(prologue.length + offer.length + address.length + 2);
  key.set(prologue);
  key.set(offer, prologue.length);
  key.set(address, prologue.length + offer.length);
  key[key.length - 2] = port >> 8;
  key[key.length - 1] = port & 0xff;
  return String.fromCharCode(...stack.options.primitives.sha256(key));
}

function repeatSynAck(stack: StackState, socket: number, syn: Syn): Reason {
  const connection = stack.sockets.get(socket);
  if (connection?.kind !== 'connection' || connection.state !== 'SYN-RECEIVED') return Reason.DUPLICATE;
  if (connection.exchange !== undefined) connection.exchange.receivedBytes += syn.datagramBytes;
  transmitSynAck(stack, connection);
  return Reason.DUPLICATE;
}

/** Never more than three times what came from the address: a spoofed SYN must not make us a weapon. */
function transmitSynAck(stack: StackState, { controlPacket, exchange, peer }: Connection): void {
  if (controlPacket === undefined || exchange === undefined) return;
  if (exchange.sentBytes + controlPacket.length > amplification * exchange.receivedBytes) return;
  exchange.sentBytes += controlPacket.length;
  sendForStranger(stack, controlPacket, peer);
}

function sendSynAck(stack: StackState, connection: Connection): void {
  transmitSynAck(stack, connection);
  connection.controlDeadlineUs = stack.nowUs + firstRetryUs * 2 ** connection.controlTries;
  arm(stack, connection);
}

export function retrySynAck(stack: StackState, connection: Connection): void {
  if (++connection.controlTries > maxRetries) return dropHalfOpen(stack, connection);
  sendSynAck(stack, connection);
}

/** A packet with the ACK of the opening: the connection is the application's from here on, if it proves itself. */
export function establish(stack: StackState, connection: Connection): Reason {
  const { exchange } = connection;
  if (exchange === undefined) return Reason.BAD_STATE;
  if (exchange.state !== undefined) return establishMutual(stack, connection, exchange);
  if (!isTagged(stack, connection)) return Reason.NOT_AUTHENTIC;
  return admitPeer(stack, connection, exchange);
}

/** Under XX the client's proof makes the keys. After one that was spoilt the exchange waits for another. */
function establishMutual(stack: StackState, connection: Connection, exchange: Exchange): Reason {
  const { packet, view, bytes, handshake } = stack.work;
  if (packet.handshakeOffset === 0 || exchange.state === undefined) return Reason.UNTAGGED;
  if (parseHandshake(view, packet.handshakeOffset, handshake) !== Reason.OK) return Reason.BAD_EXTENSION;
  if (handshake.message !== 2) return Reason.BAD_STATE;
  const message = bytes.slice(handshake.bodyOffset, handshake.bodyOffset + handshake.bodyBytes);
  const client = readProof(exchange.state, message);
  if (client === undefined) return Reason.NOT_AUTHENTIC;
  takeKeys(stack, connection, exchange);
  if (!isTagged(stack, connection)) {
    // The proof is right and the packet around it is not: the exchange waits for another, as if this had not come.
    releaseKeys(stack, connection);
    exchange.state = makeAnswer(stack, connection, exchange)?.state;
    return Reason.NOT_AUTHENTIC;
  }
  const reason = judgeClient(stack, connection, client);
  if (reason === Reason.OK) return admitPeer(stack, connection, exchange);
  return turnAway(stack, connection, reason);
}

/** It has the keys, so it is told why. */
function turnAway(stack: StackState, connection: Connection, reason: Reason): Reason {
  sendPacket(stack, buildConnectionReset(stack, connection, reason), connection.peer);
  dropHalfOpen(stack, connection);
  return reason;
}

function admitPeer(stack: StackState, connection: Connection, exchange: Exchange): Reason {
  if (!countPeer(stack, connection)) return turnAway(stack, connection, Reason.LIMIT);
  connection.peerProof ??= proofOf(stack, connection, undefined, exchange.insecure);
  const listener = leaveHalfOpen(stack, connection);
  settleSynDebt(stack);
  openTransport(stack, connection, exchange);
  connection.state = 'ESTABLISHED';
  connection.confirmed = true;
  connection.exchange = undefined;
  connection.controlPacket = undefined;
  connection.controlTries = 0;
  connection.controlDeadlineUs = Number.POSITIVE_INFINITY;
  stack.counters.connectionsAccepted++;
  if (listener?.kind === 'datagram-socket') return Reason.OK;
  emitEvent(stack, {
    kind: 'connection',
    socket: listener?.socket ?? connection.listener,
    connection: connection.socket,
    service: connection.service,
    ...(connection.remoteService === undefined ? {} : { remoteService: connection.remoteService }),
    peer: connection.peerProof,
  });
  return Reason.OK;
}

/** The transport as it was when it answered the SYN. */
function openTransport(stack: StackState, connection: Connection, exchange: Exchange): void {
  if (connection.protocol !== Protocol.TCP) return attachRecords(stack, connection);
  const tcb = attachTransport(stack, connection, exchange);
  takeSyn(tcb, exchange);
  emitSyn(tcb, exchange.answeredUs, stack.work.segmentView, 0);
  // An answer that was repeated says nothing of the round trip (Karn's rule).
  if (connection.controlTries > 0) emitSyn(tcb, stack.nowUs, stack.work.segmentView, 0);
  attachRecords(stack, connection);
  setPeer(stack, connection, connection.peer);
}

function leaveHalfOpen(stack: StackState, connection: Connection): Binding | undefined {
  stack.halfOpen--;
  const listener = stack.sockets.get(connection.listener);
  if (listener === undefined || listener.kind === 'connection') return undefined;
  listener.halfOpen--;
  if (listener.closing && listener.halfOpen === 0) stack.controlPlaneUs = 0;
  return listener;
}

/** A half-open connection ends without ever having been told to the application. */
export function dropHalfOpen(stack: StackState, connection: Connection): void {
  if (connection.exchange !== undefined) deleteExpiring(stack.opened, connection.exchange.openingKey);
  leaveHalfOpen(stack, connection);
  discard(stack, connection);
}

function discard(stack: StackState, connection: Connection): void {
  if (connection.exchange?.state !== undefined) abandonExchange(connection.exchange.state);
  releaseFlow(stack, connection);
  stack.sockets.delete(connection.socket);
}

/** Half-open connections of a listener that closes. */
export function halfOpenOf(stack: StackState, listener: Binding): Connection[] {
  const found: Connection[] = [];
  if (listener.halfOpen === 0) return found;
  for (const socket of stack.sockets.values())
    if (socket.kind === 'connection' && socket.state === 'SYN-RECEIVED' && socket.listener === listener.socket)
      found.push(socket);
  return found;
}

/** Tells the client at once, so that it need not wait for its timeout. */
export function refuseSyn(stack: StackState, syn: Syn, reason: Reason): Reason {
  stack.counters.refused++;
  sendForStranger(stack, buildRefusal(syn.control, reason), syn.client);
  return reason;
}
