// Ingress: one datagram, or super-packet of many, from one sender. Flows are found by the destination flowID alone (P3);
// a packet without one is a first packet or an unbound datagram and goes by its name. Segments of one flow are handed
// to the transport one by one, and what they changed is settled once per batch. What a packet without a valid tag may do
// to a flow with keys is to bring payload, which a record will vouch for. Bad packets are counted, never thrown.

import {
  formatFlowId,
  formatServiceId,
  isLoopback,
  type Locator,
  Reason,
  type ServiceId,
  sameBytes,
  sameLocator,
} from '../base/index.ts';
import { countDropped, countResolved, find, lookup, lookupLocal, resolveTarget } from '../tables/index.ts';
import { acknowledgeOpening, handleSegment, requestChallenge, requestProbe, type Tcb } from '../transport/index.ts';
import {
  appendSource,
  baseHeaderBytes,
  ControlFlag,
  ControlOption,
  entryOffset,
  MacFlag,
  PacketKind,
  Present,
  parseControl,
  parseDataSeq,
  parseFinal,
  parsePacket,
  parseService,
  parseSource,
  readLocator,
  readServiceId,
  skipZeros,
  sourceHasRouter,
  synBytes,
} from '../wire/index.ts';
import { acceptSyn, refuseSyn, type Syn } from './accept.ts';
import { echoesNonce, handleFin, handleReset, repeatReset } from './close.ts';
import { handleControlMessage } from './control-plane.ts';
import { countDrop } from './counters.ts';
import { receiveConnected } from './datagram-flows.ts';
import { receiveUnbound } from './datagrams.ts';
import { establish, resetOpening } from './establish.ts';
import { isJoined } from './flow-group.ts';
import { completeJoin, handleJoin, handleJoinAnswer } from './join.ts';
import { admitSyn } from './limits.ts';
import { askWhere, handleRsyn, handleRsynAck, handleSuperseded } from './migrate.ts';
import { wasClosed } from './names.ts';
import { handleRefusal, handleSynAck } from './open.ts';
import { sendForStranger, sendPacket } from './packets.ts';
import { handleChallenge, isElsewhere, isUnproven, noteAddress, noteAllowance } from './path.ts';
import { mayGoInClear } from './proof.ts';
import { shift } from './queue.ts';
import { wake } from './rest.ts';
import { chooseTarget, unknownNameReason } from './route.ts';
import { noteExpected } from './sent-records.ts';
import { handleShed, handleShedAck } from './shed.ts';
import { confirm, distrustUs, markReady, touch } from './sockets.ts';
import type { Connection, Forwarding, HalfOpen, StackState } from './state.ts';
import { settle } from './stream.ts';
import { isTagged, isTaggedBehindSource } from './tags.ts';
import { receiveTwins } from './twins.ts';
import { Protocol } from './types.ts';
import { openDatagram } from './workspace.ts';

/** More packets than one super-packet of segmentation offload holds are not read. */
const maxPackets = 128;

export function receive(stack: StackState, bytes: Uint8Array, length: number, remote: Locator, link: number): void {
  const { work, counters } = stack;
  openDatagram(work, bytes);
  stack.remote = remote;
  stack.link = link;
  const { packet, view } = work;
  counters.bytesIn += length;
  let at = 0;
  for (let count = 0; at < length; count++) {
    if (count === maxPackets) {
      countDrop(counters, Reason.TOO_MANY_PACKETS);
      break;
    }
    const verdict = parsePacket(view, at, length, packet);
    if (verdict === Reason.OK && packet.kind === PacketKind.PADDING) break;
    counters.packetsIn++;
    // Behind a packet may be padding, and behind that another: the kernel joins several padded SYNs.
    const end = skipZeros(view, at + packet.totalBytes, length);
    work.datagramBytes = end - at;
    const reason = verdict === Reason.OK ? dispatch(stack, at, end) : verdict;
    if (reason !== Reason.OK) countDrop(counters, reason);
    if (packet.totalBytes === 0) break;
    at = end;
    if (reason !== Reason.OK || packet.headerBytes !== baseHeaderBytes) continue;
    const twins = receiveTwins(stack, length, maxPackets - count - 1);
    at += twins * packet.totalBytes;
    count += twins;
  }
  settleTouched(stack);
}

/** What a batch changed is worked out once per flow. */
function settleTouched(stack: StackState): void {
  const { touched } = stack;
  for (let connection = shift(touched); connection !== undefined; connection = shift(touched)) {
    connection.touched = false;
    settle(stack, connection);
  }
}

function dispatch(stack: StackState, at: number, length: number): Reason {
  const { packet } = stack.work;
  if ((packet.flowHi | packet.flowLo) === 0) return receiveNamed(stack, at, length);
  const found = find(stack.flows, packet.flowHi, packet.flowLo);
  const flow = found?.kind === 'resting' ? wake(stack, found) : found;
  if (flow === undefined) return stack.formerFlows.size === 0 ? Reason.UNKNOWN_FLOW : receivePassedOn(stack);
  if (flow.kind === 'half-open') return receiveHalfOpen(stack, flow);
  if (flow.kind === 'forwarding') return passOn(stack, flow, at, length);
  return receiveFlow(stack, flow);
}

function receiveFlow(stack: StackState, connection: Connection): Reason {
  const { packet } = stack.work;
  connection.packetsIn++;
  connection.wireBytes += packet.totalBytes;
  if ((packet.present & Present.CONTROL) !== 0) {
    const verdict = parseControl(stack.work.view, packet.controlOffset, stack.work.control);
    if (verdict !== Reason.OK) return verdict;
    if (isJoined(connection)) return receiveKeyed(stack, connection);
    if (connection.state === 'SYN-SENT') return receiveOpening(stack, connection);
    if (stack.work.control.flags === openingAnswer) return repeatedAnswer(stack, connection);
  }
  return receiveKeyed(stack, connection);
}

/** For a flow that another process goes on with. A move is told with the place that it came from, which is what it is about. */
function passOn(stack: StackState, { to, from }: Forwarding, at: number, length: number): Reason {
  const { packet, view, bytes, control } = stack.work;
  const move =
    packet.controlOffset !== 0 &&
    parseControl(view, packet.controlOffset, control) === Reason.OK &&
    control.flags === ControlFlag.RSYN;
  if (move && packet.sourceOffset === 0) return forward(stack, to, stack.remote, at, length);
  if (from !== undefined && !sameLocator(from, stack.remote)) return Reason.SUPERSEDED;
  stack.counters.forwarded++;
  sendPacket(stack, bytes.slice(at, at + packet.totalBytes), to);
  return Reason.OK;
}

/** By the flowID that a connection had in the process that handed it over, which passes on what still comes there. */
function receivePassedOn(stack: StackState): Reason {
  const { packet, view, control, source } = stack.work;
  const connection = stack.formerFlows.get(formatFlowId({ hi: packet.flowHi, lo: packet.flowLo }));
  if (connection === undefined || stack.nowUs > connection.passedOnUntilUs) return Reason.UNKNOWN_FLOW;
  if (packet.sourceOffset === 0) return receiveFlow(stack, connection);
  if (packet.controlOffset === 0 || parseControl(view, packet.controlOffset, control) !== Reason.OK)
    return Reason.BAD_STATE;
  const parsed = parseSource(view, packet.sourceOffset, source);
  if (parsed !== Reason.OK) return parsed;
  if (control.flags !== ControlFlag.RSYN || !isTaggedBehindSource(stack, connection)) return Reason.NOT_AUTHENTIC;
  return handleRsyn(stack, connection, readLocator(view, entryOffset(source, 0)));
}

const openingAnswer = ControlFlag.SYN | ControlFlag.ACK;

/** Before the client has keys: what is not part of the key exchange must echo our nonce. */
function receiveOpening(stack: StackState, connection: Connection): Reason {
  const { control } = stack.work;
  switch (control.flags) {
    case openingAnswer:
      return handleSynAck(stack, connection);
    case ControlFlag.FAIL:
      return handleRefusal(stack, connection);
    case ControlFlag.RST:
      return handleReset(stack, connection, control);
    default:
      return Reason.BAD_STATE;
  }
}

/** Before the server has: the client gives up, or shows by the first packet that it has the keys; data may come with it. */
function receiveHalfOpen(stack: StackState, half: HalfOpen): Reason {
  const { packet, view, control } = stack.work;
  if (packet.controlOffset === 0) return Reason.BAD_STATE;
  const verdict = parseControl(view, packet.controlOffset, control);
  if (verdict !== Reason.OK) return verdict;
  if (control.flags === ControlFlag.RST) return resetOpening(stack, half);
  if (control.flags !== ControlFlag.ACK) return Reason.BAD_STATE;
  const connection = establish(stack, half);
  if (typeof connection === 'number') return connection;
  connection.packetsIn++;
  const { tcb } = connection;
  // A client that gives up at once says no more than that it was there (close.ts); should its reset be lost, it is asked.
  if (packet.payloadBytes === 0 && tcb !== undefined) {
    acknowledgeOpening(tcb, stack.nowUs);
    touch(stack, connection);
  }
  return receiveData(stack, connection, true);
}

function repeatedAnswer(stack: StackState, connection: Connection): Reason {
  return connection.role === 'client' ? handleSynAck(stack, connection) : Reason.BAD_STATE;
}

/** A flow with keys: a tag that is wrong condemns the packet; without one it brings payload at most. */
function receiveKeyed(stack: StackState, connection: Connection): Reason {
  const { present } = stack.work.packet;
  const tagged = isTagged(stack, connection);
  if (isElsewhere(stack, connection) && !isFromAnywhere(stack))
    return tagged ? askWhere(stack, connection) : Reason.SUPERSEDED;
  if (isUnproven(connection)) noteAllowance(stack, connection);
  if (!tagged && (present & Present.MAC) !== 0) return Reason.NOT_AUTHENTIC;
  if ((present & Present.CONTROL) !== 0) {
    const verdict = tagged ? receiveControl(stack, connection) : takeHint(stack, connection);
    if (verdict !== Reason.OK || stack.work.control.flags !== ControlFlag.ACK) return verdict;
  }
  if ((present & Present.CHALLENGE) !== 0) return tagged ? handleChallenge(stack, connection) : Reason.UNTAGGED;
  return receiveData(stack, connection, tagged);
}

/**
 * A move is told from another address, and a flow beside the first is opened from one; lineage judges both, and the refusal of
 * a move. The question where this end is counts, too: two ends that hear each other from elsewhere would only ask and ask.
 */
function isFromAnywhere({ work }: StackState): boolean {
  const { packet, control } = work;
  if (packet.controlOffset === 0) return false;
  switch (control.flags) {
    case ControlFlag.RSYN:
      return true;
    case ControlFlag.SYN:
      return packet.joinOffset !== 0;
    case ControlFlag.FAIL:
      return control.reason === Reason.SUPERSEDED;
    default:
      return control.flags === moveAnswer && (control.options & ControlOption.ELSEWHERE) !== 0;
  }
}

function receiveData(stack: StackState, connection: Connection, tagged: boolean): Reason {
  const { packet, view, bytes } = stack.work;
  const { payloadOffset, payloadBytes } = packet;
  if (connection.state === 'TIME-WAIT') return tagged ? repeatReset(stack, connection) : Reason.CLOSED;
  if (connection.state !== 'ESTABLISHED' && connection.state !== 'FIN-SENT') return Reason.BAD_STATE;
  if (payloadBytes === 0) return Reason.OK;
  if (packet.protocol !== connection.protocol) return Reason.UNSUPPORTED_PROTOCOL;
  const { tcb } = connection;
  if (tcb === undefined) return receiveConnected(stack, connection, tagged);
  if (!tagged && stack.nowUs < connection.distrustUntilUs) return dropUntagged(stack, connection, tcb);
  if (tagged && (stack.work.mac.flags & MacFlag.TAG_ALL) !== 0) connection.tagAllUntilUs = stack.nowUs + distrustUs;
  if (tagged && (packet.present & Present.DATASEQ) !== 0) noteDataSeq(stack, connection);
  const { tsNewest } = tcb;
  const verdict = handleSegment(tcb, stack.nowUs, view, bytes, payloadOffset, payloadBytes, tagged);
  touch(stack, connection);
  // A repetition may tell a new address, too: its first ACK went to the old place.
  if (tagged && (tcb.tsNewest !== tsNewest || verdict === Reason.OK)) {
    confirm(connection);
    if (tcb.tsNewest !== tsNewest) noteAddress(stack, connection);
  }
  return verdict;
}

/** What the peer has received on all flows of the connection. */
function noteDataSeq({ work }: StackState, { subflow }: Connection): void {
  const { packet, view, dataSeq } = work;
  if (subflow !== undefined && parseDataSeq(view, packet.dataSeqOffset, dataSeq) === Reason.OK)
    noteExpected(subflow.group, dataSeq.recordNumber);
}

/** Payload that nobody vouches for, while some was forged. Should it be the peer's, it learns by an ACK what is asked. */
function dropUntagged(stack: StackState, connection: Connection, tcb: Tcb): Reason {
  connection.distrustUntilUs = stack.nowUs + distrustUs;
  requestChallenge(tcb, stack.nowUs);
  touch(stack, connection);
  return Reason.UNTAGGED;
}

/** The end of a flow that somebody tells who cannot prove it: the peer is asked, now and then. */
function takeHint(stack: StackState, connection: Connection): Reason {
  const { tcb } = connection;
  if (tcb === undefined || stack.nowUs - connection.hintedUs < hintIntervalUs) return Reason.UNTAGGED;
  connection.hintedUs = stack.nowUs;
  requestProbe(tcb);
  markReady(stack, connection);
  return Reason.UNTAGGED;
}

const hintIntervalUs = 1_000_000;

function receiveControl(stack: StackState, connection: Connection): Reason {
  const { packet, view, control, final } = stack.work;
  switch (control.flags) {
    case ControlFlag.ACK:
      if (!echoesNonce(connection, control)) return Reason.BAD_NONCE;
      if (connection.state === 'SYN-RECEIVED') completeJoin(stack, connection);
      return Reason.OK;
    case ControlFlag.SYN:
      return handleJoin(stack, connection);
    case openingAnswer:
      return handleJoinAnswer(stack, connection);
    case ControlFlag.RSYN:
      return handleRsyn(stack, connection, stack.remote);
    case moveAnswer:
      return receiveMoveAnswer(stack, connection);
    case ControlFlag.FAIL:
      if (control.reason === Reason.SUPERSEDED) return handleSuperseded(stack, connection);
      return control.reason === Reason.SHED
        ? handleShed(stack, connection, control)
        : handleReset(stack, connection, control);
    case ControlFlag.FAIL | ControlFlag.ACK:
      return handleShedAck(connection, control);
    case ControlFlag.RST:
      return handleReset(stack, connection, control);
    case ControlFlag.FIN:
    case ControlFlag.FIN | ControlFlag.ACK: {
      if (packet.finalOffset === 0 || isJoined(connection)) return Reason.BAD_STATE;
      const parsed = parseFinal(view, packet.finalOffset, final);
      return parsed === Reason.OK ? handleFin(stack, connection, control, final) : parsed;
    }
    default:
      return Reason.BAD_STATE;
  }
}

const moveAnswer = ControlFlag.RSYN | ControlFlag.ACK;

/** It asks, too, whether we receive where it went. */
function receiveMoveAnswer(stack: StackState, connection: Connection): Reason {
  const verdict = handleRsynAck(stack, connection);
  if ((stack.work.packet.present & Present.CHALLENGE) === 0) return verdict;
  const asked = handleChallenge(stack, connection);
  return verdict === Reason.OK ? asked : verdict;
}

/** A packet that names a service: a first packet, an unbound datagram, or a move whose peer has moved as well. */
function receiveNamed(stack: StackState, at: number, length: number): Reason {
  const { packet, view, service, source, control, bytes } = stack.work;
  if (packet.serviceOffset === 0) return Reason.BAD_STATE;
  const verdict = parseService(view, packet.serviceOffset, service);
  if (verdict !== Reason.OK) return verdict;
  let sender = stack.remote;
  if (packet.sourceOffset !== 0) {
    const parsed = parseSource(view, packet.sourceOffset, source);
    if (parsed !== Reason.OK) return parsed;
    sender = readLocator(view, entryOffset(source, 0));
  }
  const to = readServiceId(view, service.destinationOffset);
  const from = service.sourceOffset === 0 ? undefined : readServiceId(view, service.sourceOffset);
  if (packet.controlOffset !== 0) {
    const parsed = parseControl(view, packet.controlOffset, control);
    if (parsed !== Reason.OK) return parsed;
    if (control.flags === ControlFlag.RSYN) return receiveNamedMove(stack, to, sender, at, length);
    if (control.flags !== ControlFlag.SYN) return Reason.BAD_STATE;
    return receiveSyn(stack, to, from, sender, at, length);
  }
  if (packet.protocol !== Protocol.UDP) return Reason.UNSUPPORTED_PROTOCOL;
  if (sameBytes(to, stack.controlService))
    return handleControlMessage(stack, bytes, packet.payloadOffset, packet.payloadBytes, stack.remote);
  return receiveDatagram(stack, to, from, sender, at, length);
}

function receiveSyn(
  stack: StackState,
  service: ServiceId,
  source: ServiceId | undefined,
  client: Locator,
  at: number,
  length: number,
): Reason {
  const { packet, control } = stack.work;
  const { protocol } = packet;
  const routed = packet.sourceOffset !== 0;
  const syn: Syn = { service, source, control, protocol, client, routed, datagramBytes: length - at };
  if (!stack.options.forwarding) {
    const target = lookupLocal(stack.services, protocol, service, 0);
    if (target !== undefined) return acceptSyn(stack, target, syn);
    return mayRefuse(stack, syn) ? refuseSyn(stack, syn, Reason.REFUSED) : Reason.NO_SUCH_SERVICE;
  }
  const { flowHi, flowLo, nonceHi, nonceLo, attempt } = control;
  const target = chooseTarget(stack.services, protocol, service, flowHi, flowLo, nonceHi, nonceLo, attempt >> 1);
  if (target === undefined) return refuseUnresolved(stack, syn);
  if (target.action === 'drop' || target.action === 'delay') {
    countDropped(target.rule, target);
    return refuseSyn(stack, syn, target.action === 'drop' ? Reason.POLICY_DROP : Reason.TRY_LATER);
  }
  if (target.action === 'forward') {
    const admitted = admitSyn(stack, service, client);
    if (admitted !== Reason.OK) return admitted;
  }
  countResolved(target, length - at);
  if (target.action === 'demux') return acceptSyn(stack, target, syn);
  return forward(stack, target.locator, client, at, length);
}

/** No rule, or none of its targets serves the protocol. */
function refuseUnresolved(stack: StackState, syn: Syn): Reason {
  const rule = lookup(stack.services, syn.protocol, syn.service, 0);
  if (rule === undefined) return refuseSyn(stack, syn, unknownNameReason(stack));
  countDropped(rule);
  return refuseSyn(stack, syn, Reason.NO_INSTANCE);
}

/** Silence to strangers: a refusal goes only to whom a router, this machine or a name closed lately vouches for. */
function mayRefuse(stack: StackState, syn: Syn): boolean {
  return syn.routed || isLoopback(syn.client) || wasClosed(stack, syn.service, syn.protocol);
}

/** At the rendezvous (rendezvous.ts): a router passes it on to where the name is registered. */
function receiveNamedMove(stack: StackState, to: ServiceId, sender: Locator, at: number, length: number): Reason {
  if (!stack.options.forwarding) return receiveCall(stack, to, sender);
  const target = resolveTarget(stack.services, Protocol.TCP, to, 0, 0, 0, 0);
  if (target?.action !== 'forward') return Reason.NO_SUCH_SERVICE;
  return forward(stack, target.locator, sender, at, length);
}

/** An RSYN by name, with its sender as the first router saw it. */
function receiveCall(stack: StackState, to: ServiceId, sender: Locator): Reason {
  const connection = stack.rendezvous.get(formatServiceId(to));
  if (connection === undefined) return Reason.NO_SUCH_SERVICE;
  if (!isTaggedBehindSource(stack, connection)) return Reason.NOT_AUTHENTIC;
  return handleRsyn(stack, connection, sender);
}

function receiveDatagram(
  stack: StackState,
  to: ServiceId,
  from: ServiceId | undefined,
  sender: Locator,
  at: number,
  length: number,
): Reason {
  const { packet, bytes } = stack.work;
  const { services, options } = stack;
  // A datagram has no flow to be true to: the sender's name and port spread the load and keep it with one instance.
  const target = options.forwarding
    ? resolveTarget(services, Protocol.UDP, to, 0, spread(from), sender.port, 0)
    : lookupLocal(services, Protocol.UDP, to, 0);
  if (target === undefined || target.action === 'drop' || target.action === 'delay') {
    if (target !== undefined) countDropped(target.rule, target);
    return Reason.NO_SUCH_SERVICE;
  }
  if (options.forwarding) countResolved(target, packet.totalBytes);
  if (target.action === 'forward') {
    const allowed = target.locator === undefined || mayGoInClear(stack, to, target.locator);
    return allowed ? forward(stack, target.locator, sender, at, length) : Reason.UNTRUSTED;
  }
  const payload = bytes.slice(packet.payloadOffset, packet.payloadOffset + packet.payloadBytes);
  return receiveUnbound(stack, target, to, from, sender, payload);
}

function spread(from: ServiceId | undefined): number {
  return from === undefined ? 0 : new DataView(from.buffer, from.byteOffset).getInt32(8);
}

/** Sends a first packet on, with SOURCE grown by the sender as seen here (at the first router) and by this router. */
function forward(stack: StackState, locator: Locator | undefined, sender: Locator, at: number, length: number): Reason {
  const { packet, view, source } = stack.work;
  const self = stack.locals[0];
  if (locator === undefined || self === undefined) return Reason.UNREACHABLE;
  if (packet.sourceOffset !== 0 && sourceHasRouter(view, source, self)) return Reason.LOOP;
  const datagramBytes = packet.controlOffset === 0 ? packet.totalBytes : length - at;
  const observed = observedAs(stack, sender, locator);
  // What is as long as a SYN, and that is nearly all, leaves its memory to the next one.
  const spare = datagramBytes === synBytes ? (stack.spares.pop() ?? createView(synBytes + maxSourceGrowth)) : undefined;
  const to = spare ?? createView(datagramBytes + maxSourceGrowth);
  const written = appendSource(view, packet, datagramBytes, to, 0, observed, self);
  if (written === 0) return Reason.LIMIT;
  stack.counters.forwarded++;
  sendForStranger(stack, new Uint8Array(to.buffer, 0, written), locator, spare);
  return Reason.OK;
}

function createView(bytes: number): DataView {
  return new DataView(new ArrayBuffer(bytes));
}

/** SOURCE with the sender and one router. */
const maxSourceGrowth = 44;

/** A sender on this machine is seen as loopback: to others it is reached at this machine's own address. */
function observedAs(stack: StackState, sender: Locator, next: Locator): Locator {
  if (!isLoopback(sender) || isLoopback(next)) return sender;
  const outward = stack.locals.find((local) => !isLoopback(local) && local.address.length === next.address.length);
  return outward === undefined ? sender : { address: outward.address, port: sender.port };
}
