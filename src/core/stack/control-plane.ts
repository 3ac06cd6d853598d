// The stack's side of the control plane: which control message goes to which state machine (core/control), and what
// their outcomes do to this stack. Every message is an unbound datagram to the well-known control name. A router that
// is found replaces ad hoc discovery: the default rule leads to it, and names found ad hoc are forgotten.

import { type Locator, Reason, type ServiceId, sameBytes } from '../base/index.ts';
import {
  AdvertFlag,
  type ControlMessage,
  clearOffers,
  discoveryDeadlineUs,
  expireRegistry,
  handleAdvert,
  handleHeartbeat,
  handleHeartbeatAnswer,
  handleOffer,
  handleRegister,
  handleRegistrarReply,
  handleUnregister,
  handleWithdraw,
  heartbeatDeadlineUs,
  MessageType,
  offerFor,
  parseControl,
  pollDiscovery,
  pollHeartbeat,
  pollHeldAnswer,
  pollRegistrar,
  pollRouterSearch,
  type Registry,
  registrarDeadlineUs,
  registryDeadlineUs,
  routerSearchDeadlineUs,
  setRegistrarRouter,
  wordAbout,
} from '../control/index.ts';
import { lookupLocal } from '../tables/index.ts';
import { answerControlMessage, sendControlMessage, solicit } from './control-egress.ts';
import { releaseHeld } from './datagrams.ts';
import { takeRouterWord } from './liveness.ts';
import { announceDeadlineUs, handleRegistrarEvent, pollAnnouncements } from './names.ts';
import { resumeOpening } from './open.ts';
import { isLearning, setDefaultRoute, suspectRouter } from './route.ts';
import { takeSearch } from './search.ts';
import type { StackState } from './state.ts';
import { Protocol } from './types.ts';

const offerTtlMs = 5_000;

/** Takes one control message; its reason if it is not one. */
export function handleControlMessage(
  stack: StackState,
  bytes: Uint8Array,
  offset: number,
  length: number,
  remote: Locator,
): Reason {
  const { message } = stack.work;
  stack.controlPlaneUs = 0;
  const verdict = parseControl(bytes, offset, length, message);
  if (verdict !== Reason.OK) return verdict;
  switch (message.type) {
    case MessageType.SOLICIT:
      return answerSolicit(stack, message, remote);
    case MessageType.ADVERT:
      return takeAdvert(stack, message, remote);
    case MessageType.OFFER:
      return handleOffer(stack.discovery, message, remote, stack.nowUs) ? Reason.OK : Reason.STALE;
    case MessageType.WITHDRAW:
      return handleWithdraw(stack.discovery, message, senderOf(message, remote)) ? Reason.OK : Reason.STALE;
    case MessageType.REGISTER:
    case MessageType.UNREGISTER:
    case MessageType.HEARTBEAT:
      return answerRegistration(stack, message, remote);
    case MessageType.REGISTERED:
    case MessageType.UNREGISTERED:
      return takeRegistrarReply(stack, message);
    case MessageType.HEARTBEAT_ANSWER:
      return handleHeartbeatAnswer(stack.heartbeat, stack.registrar, message, stack.nowUs);
    case MessageType.LIVENESS_QUERY:
      return answerInquiry(stack, message, remote);
    case MessageType.LIVENESS_ANSWER:
      return takeRouterWord(stack, message);
    default:
      return Reason.BAD_MESSAGE;
  }
}

/** Multicast leaves from a socket of its own: the message tells the port that the stack is reached at. */
function senderOf(message: ControlMessage, remote: Locator): Locator {
  return message.replyPort === 0 ? remote : { address: remote.address, port: message.replyPort };
}

function answerSolicit(stack: StackState, message: ControlMessage, remote: Locator): Reason {
  const asker = senderOf(message, remote);
  const { answer } = stack.work;
  if (message.service !== undefined && !stack.options.forwarding) {
    if (!offerFor(stack.services, message, stack.instance, offerTtlMs, answer)) return Reason.OK;
    answerControlMessage(stack, answer, asker);
  } else if (stack.registry !== undefined) {
    const { boot, leaseUs } = stack.registry.options;
    Object.assign(answer, {
      type: MessageType.ADVERT,
      transaction: message.transaction,
      boot,
      leaseMs: leaseUs / 1000,
    });
    answer.flags =
      AdvertFlag.CONTROLLER |
      (keepsDirectory(stack) ? AdvertFlag.DIRECTORY : 0) |
      (isLearning(stack) ? AdvertFlag.LEARNING : 0);
    answerControlMessage(stack, answer, asker);
  }
  return Reason.OK;
}

function keepsDirectory(stack: StackState): boolean {
  return lookupLocal(stack.services, Protocol.UDP, stack.directoryService, 0) !== undefined;
}

function takeAdvert(stack: StackState, message: ControlMessage, remote: Locator): Reason {
  const { search } = stack;
  if (search === undefined || !handleAdvert(search, message, remote)) return Reason.STALE;
  clearOffers(stack.discovery);
  setDefaultRoute(stack, search.router);
  setRegistrarRouter(stack.registrar, search.router, search.routerBoot, stack.nowUs);
  for (const binding of stack.unannounced) binding.announceDeadlineUs = stack.nowUs + announceGraceUs;
  resumeSearches(stack);
  return Reason.OK;
}

/** A router just found has this long to take the names that wait for `listening`. */
const announceGraceUs = 1_000_000;

function resumeSearches(stack: StackState): void {
  for (const { service, protocol } of [...stack.searches.values()]) endSearch(stack, service, protocol, true);
}

/** A search ended: those who waited for it go on, or learn that nobody is there. */
function endSearch(stack: StackState, service: ServiceId, protocol: number, found: boolean): void {
  const search = takeSearch(stack, service, protocol);
  if (search === undefined) return;
  for (const socket of search.sockets) resumeOpening(stack, socket, found);
  releaseHeld(stack, search.datagrams, found);
}

function answerRegistration(stack: StackState, message: ControlMessage, remote: Locator): Reason {
  const { registry, work, nowUs } = stack;
  if (registry === undefined) return Reason.NOT_OURS;
  if (message.type === MessageType.HEARTBEAT) {
    if (!handleHeartbeat(registry, message, remote, nowUs, work.answer)) return Reason.OK;
  } else if (message.type === MessageType.REGISTER) handleRegister(registry, message, remote, nowUs, work.answer);
  else handleUnregister(registry, message, remote, nowUs, work.answer);
  answerControlMessage(stack, work.answer, remote);
  return Reason.OK;
}

/** A stack on this machine may have been seen under its address or as loopback. */
function answerInquiry(stack: StackState, { transaction, observed }: ControlMessage, remote: Locator): Reason {
  const { registry, work, locals } = stack;
  if (registry === undefined) return Reason.NOT_OURS;
  const ours = locals.some(({ address }) => sameBytes(address, observed.address));
  const aliases = ours ? locals.map(({ address }) => ({ address, port: observed.port })) : [];
  const { state, silentMs } = wordAbout(registry.presences, [observed, ...aliases], stack.nowUs);
  const { answer } = work;
  Object.assign(answer, { type: MessageType.LIVENESS_ANSWER, transaction, peerState: state, intervalMs: silentMs });
  answerControlMessage(stack, answer, remote);
  return Reason.OK;
}

function takeRegistrarReply(stack: StackState, message: ControlMessage): Reason {
  const event = handleRegistrarReply(stack.registrar, message, stack.nowUs);
  if (event === undefined) return Reason.STALE;
  handleRegistrarEvent(stack, event);
  return Reason.OK;
}

/** Everything of the control plane that is due; nothing before the link is bound: no answer would find us. */
export function pollControlPlane(stack: StackState): void {
  if (stack.locals.length === 0) {
    stack.controlPlaneUs = Number.POSITIVE_INFINITY;
    return;
  }
  const { registrar, work, nowUs, search, registry } = stack;
  // A heartbeat makes what is refreshed soon due with it.
  while (pollHeartbeat(stack.heartbeat, registrar, nowUs, work.message))
    if (registrar.router !== undefined) sendControlMessage(stack, work.message, registrar.router);
  while (pollRegistrar(registrar, nowUs, work.message))
    if (registrar.router !== undefined) sendControlMessage(stack, work.message, registrar.router);
  if (registrar.routerLost) suspectRouter(stack);
  while (search !== undefined && pollRouterSearch(search, nowUs, work.message)) solicit(stack, work.message);
  for (;;) {
    const outcome = pollDiscovery(stack.discovery, nowUs, work.message);
    if (outcome === undefined) break;
    if (outcome.kind === 'solicit') solicit(stack, work.message);
    else endSearch(stack, outcome.service, outcome.protocol, outcome.kind === 'resolved');
  }
  if (registry !== undefined) pollRegistry(stack, registry);
  pollAnnouncements(stack);
  stack.controlPlaneUs = deadlineUs(stack);
}

function pollRegistry(stack: StackState, registry: Registry): void {
  const { work, nowUs } = stack;
  expireRegistry(registry, nowUs);
  for (;;) {
    const remote = pollHeldAnswer(registry, nowUs, work.answer);
    if (remote === undefined) break;
    sendControlMessage(stack, work.answer, remote);
  }
}

function deadlineUs(stack: StackState): number {
  return Math.min(
    registrarDeadlineUs(stack.registrar),
    heartbeatDeadlineUs(stack.heartbeat, stack.registrar),
    discoveryDeadlineUs(stack.discovery),
    announceDeadlineUs(stack),
    stack.search === undefined ? Number.POSITIVE_INFINITY : routerSearchDeadlineUs(stack.search),
    stack.registry === undefined ? Number.POSITIVE_INFINITY : registryDeadlineUs(stack.registry),
  );
}
