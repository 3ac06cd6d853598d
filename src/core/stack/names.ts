// Listening and registering: bind inserts a DEMUX rule and registers the name where a router is known; close takes it
// back first and refuses racing dials at once. Without a router a name is found ad hoc: SOLICIT is answered by OFFER.
// `listening` is told when others can find the name: registered, or the search for a router has come up empty.

import { formatPrefix, makePrefix, type Prefix, Reason, type ServiceId, serviceBits } from '../base/index.ts';
import {
  dropRegistration,
  isUnregistered,
  type RegistrarEvent,
  registerService,
  renewIdentity,
  unregisterService,
} from '../control/index.ts';
import { type Identity, privateName } from '../security/index.ts';
import { findRule, findTarget, getExpiring, insertTarget, removeTarget, setExpiring } from '../tables/index.ts';
import { halfOpenOf } from './accept.ts';
import { closeAssociations } from './associations.ts';
import { sendWithdraw } from './control-egress.ts';
import { refuseOpening } from './establish.ts';
import { emitEvent, findBinding, nextSocketId } from './sockets.ts';
import type { Binding, DatagramSocket, Listener, StackState } from './state.ts';
import { type Input, Protocol, type SocketId } from './types.ts';

const defaultBacklog = 1024;
const defaultWeight = 100;
/** How long the first registration with a configured router may take. */
const announceUs = 5_000_000;
/** A search for a router this old has come up empty: the name is found ad hoc. It goes on in the background. */
const searchGraceUs = 150_000;
/** A client that opened sends something within a round trip, and its repetition within another. */
const drainUs = 1_000_000;
const closedNameUs = 30_000_000;

export function listen(stack: StackState, input: Extract<Input, { kind: 'listen' }>): SocketId {
  const listener: Listener = {
    kind: 'listener',
    socket: nextSocketId(stack),
    protocol: input.protocol,
    prefix: makePrefix(input.service, input.bits),
    weight: input.weight ?? defaultWeight,
    priority: input.priority ?? 0,
    backlog: input.backlog ?? defaultBacklog,
    stream: input.stream ?? {},
    security: input.security ?? {},
    halfOpen: 0,
    drainUntilUs: Number.POSITIVE_INFINITY,
    announced: false,
    announceDeadlineUs: Number.POSITIVE_INFINITY,
    closing: false,
    released: false,
    shedUntilUs: 0,
  };
  bind(stack, listener);
  return listener.socket;
}

/** A datagram socket: with a name to be found by, or with one made up that only its correspondents know. */
export function openDatagramSocket(stack: StackState, input: Extract<Input, { kind: 'datagram-socket' }>): SocketId {
  const service = input.service ?? privateName(stack.random);
  const socket: DatagramSocket = {
    kind: 'datagram-socket',
    socket: nextSocketId(stack),
    protocol: Protocol.UDP,
    service,
    prefix: makePrefix(service, input.service === undefined ? 256 : (input.bits ?? 256)),
    found: input.service !== undefined,
    waitingBytes: 0,
    weight: defaultWeight,
    priority: 0,
    backlog: defaultBacklog,
    stream: {},
    security: input.security ?? {},
    halfOpen: 0,
    drainUntilUs: Number.POSITIVE_INFINITY,
    announced: false,
    announceDeadlineUs: Number.POSITIVE_INFINITY,
    closing: false,
    released: false,
    shedUntilUs: 0,
  };
  bind(stack, socket);
  return socket.socket;
}

function bind(stack: StackState, binding: Binding): void {
  const { socket, prefix, protocol, priority, weight } = binding;
  const rule = findRule(stack.services, prefix);
  if (rule !== undefined && findTarget(rule, 'local', stack.instance, protocol) !== undefined) {
    const detail = 'this process listens to it already';
    emitEvent(stack, { kind: 'listen-failed', socket, reason: Reason.DUPLICATE, detail });
    return;
  }
  stack.sockets.set(socket, binding);
  insertTarget(stack.services, prefix, {
    owner: 'local',
    instance: stack.instance,
    protocol,
    action: 'demux',
    socket,
    priority,
    weight,
  });
  announce(stack, binding);
}

function announce(stack: StackState, binding: Binding): void {
  if (binding.kind === 'datagram-socket' && !binding.found) return tellListening(stack, binding, false);
  if (stack.registry !== undefined) return tellListening(stack, binding, true);
  stack.controlPlaneUs = 0;
  const { prefix, protocol, weight, priority, security } = binding;
  registerService(stack.registrar, prefix, protocol, weight, priority, stack.nowUs, security.identity);
  stack.unannounced.add(binding);
  if (stack.locals.length > 0) awaitAnnouncement(stack, binding);
}

/** The router hears of another credential at the next refresh. */
export function renewRegistration(stack: StackState, binding: Binding, identity: Identity): void {
  stack.controlPlaneUs = 0;
  renewIdentity(stack.registrar, binding.prefix, binding.protocol, identity, stack.nowUs);
}

/** How long `listening` may wait for a router; not at all when there is none to wait for. */
function awaitAnnouncement(stack: StackState, binding: Binding): void {
  const { search, options, nowUs } = stack;
  if (options.router !== undefined || search?.state === 'found') binding.announceDeadlineUs = nowUs + announceUs;
  else binding.announceDeadlineUs = search === undefined ? nowUs : stack.searchStartUs + searchGraceUs;
  if (binding.announceDeadlineUs <= nowUs) tellListening(stack, binding, false);
}

/** The link is bound: from here on others can find what was bound before. */
export function announceAll(stack: StackState): void {
  for (const binding of stack.unannounced) awaitAnnouncement(stack, binding);
}

function tellListening(stack: StackState, binding: Binding, registered: boolean): void {
  binding.announced = true;
  binding.announceDeadlineUs = Number.POSITIVE_INFINITY;
  stack.unannounced.delete(binding);
  emitEvent(stack, { kind: 'listening', socket: binding.socket, registered });
}

/** Announcements that waited long enough: ad hoc they stand, with a configured router they have failed. */
export function pollAnnouncements(stack: StackState): void {
  for (const binding of stack.unannounced) {
    if (binding.announceDeadlineUs > stack.nowUs) continue;
    if (stack.options.router === undefined) tellListening(stack, binding, false);
    else failListening(stack, binding, Reason.TIMED_OUT, 'the router does not answer the registration');
  }
  for (const binding of stack.unregistering) {
    binding.released ||= isUnregistered(stack.registrar, binding.prefix, binding.protocol);
    if (!drained(stack, binding) || !binding.released) continue;
    stack.unregistering.delete(binding);
    stack.sockets.delete(binding.socket);
    emitEvent(stack, { kind: 'closed', socket: binding.socket, reason: Reason.OK, detail: '' });
  }
}

export function announceDeadlineUs(stack: StackState): number {
  let earliestUs = Number.POSITIVE_INFINITY;
  for (const binding of stack.unannounced) earliestUs = Math.min(earliestUs, binding.announceDeadlineUs);
  for (const binding of stack.unregistering)
    if (binding.halfOpen > 0) earliestUs = Math.min(earliestUs, binding.drainUntilUs);
  return earliestUs;
}

/** What the router said of a registration. */
export function handleRegistrarEvent(stack: StackState, event: RegistrarEvent): void {
  if (event.kind === 'repeating') return;
  if (event.kind === 'unregistered') return pollAnnouncements(stack);
  const binding = bindingOf(stack, event.entry.prefix, event.entry.protocol);
  if (binding === undefined || binding.announced) return;
  if (event.kind === 'registered') tellListening(stack, binding, true);
  else failListening(stack, binding, event.reason, refusals[event.reason] ?? 'the router refused the registration');
}

const refusals: Partial<Record<Reason, string>> = {
  [Reason.EXPIRED]: 'its certificate is not valid now',
  [Reason.REVOKED]: 'its certificate was revoked',
  [Reason.BAD_SIGNATURE]: 'the router finds a signature that is wrong',
  [Reason.NOT_AUTHORIZED]:
    'its key may not use this name, or it needs one: another key holds it, or the router demands keys',
  [Reason.OUT_OF_DATE]: 'a later process registered with the same identity',
};

function bindingOf(stack: StackState, prefix: Prefix, protocol: number): Binding | undefined {
  const rule = findRule(stack.services, prefix);
  const target = rule && findTarget(rule, 'local', stack.instance, protocol);
  return target && findBinding(stack, target.socket);
}

function failListening(stack: StackState, binding: Binding, reason: Reason, detail: string): void {
  dropRegistration(stack.registrar, binding.prefix, binding.protocol);
  unbind(stack, binding);
  resetHalfOpen(stack, binding);
  closeAssociations(stack, binding.socket);
  stack.sockets.delete(binding.socket);
  emitEvent(stack, { kind: 'listen-failed', socket: binding.socket, reason, detail });
}

function unbind(stack: StackState, binding: Binding): void {
  stack.unannounced.delete(binding);
  removeTarget(stack.services, binding.prefix, 'local', stack.instance, binding.protocol);
}

/**
 * Takes the name back first; dials that come after that are refused, not left to time out. One whose SYN-ACK is out may be
 * open at its client already, with a request on the way: it is still let in, for a moment. A datagram socket is deaf at
 * once, and its associations end with it.
 */
export function closeBinding(stack: StackState, binding: Binding): void {
  if (binding.closing) return;
  binding.closing = true;
  stack.controlPlaneUs = 0;
  const { prefix, protocol } = binding;
  setExpiring(stack.closedNames, closedKey(prefix, protocol), true, stack.nowUs + closedNameUs);
  binding.drainUntilUs = stack.nowUs + (binding.kind === 'listener' ? drainUs : 0);
  unbind(stack, binding);
  if (binding.kind === 'datagram-socket') closeAssociations(stack, binding.socket);
  unregisterService(stack.registrar, prefix, protocol, stack.nowUs);
  if (stack.options.adHoc && stack.registrar.router === undefined) sendWithdraw(stack, prefix, protocol);
  stack.unregistering.add(binding);
  pollAnnouncements(stack);
}

/** Whether nobody is half-open at a closing listener any more; who has not completed in time is reset. */
function drained(stack: StackState, binding: Binding): boolean {
  if (binding.halfOpen === 0) return true;
  if (stack.nowUs < binding.drainUntilUs) return false;
  resetHalfOpen(stack, binding);
  return true;
}

function resetHalfOpen(stack: StackState, binding: Binding): void {
  for (const half of halfOpenOf(stack, binding)) refuseOpening(stack, half);
}

function closedKey(prefix: Prefix, protocol: number): string {
  return `${formatPrefix(prefix)} ${protocol}`;
}

/** Whether a name that covers `service` was closed here lately. */
export function wasClosed(stack: StackState, service: ServiceId, protocol: number): boolean {
  const whole = closedKey(makePrefix(service, 256), protocol);
  const pool = closedKey(makePrefix(service, serviceBits), protocol);
  const { closedNames, nowUs } = stack;
  return getExpiring(closedNames, whole, nowUs) === true || getExpiring(closedNames, pool, nowUs) === true;
}
