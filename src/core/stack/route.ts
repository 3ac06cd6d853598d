// Names to next hops: what the service table says of a first packet, and, where it says nothing, whether a router or
// an instance is still being searched for (docs/protocol-control.md, "Resolution"). Stateless per flow: the choice is
// a function of the packet's (flowID, nonce, attempt), so a retransmission meets the same instance.

import { type FlowId, type Locator, makePrefix, noFlow, Reason, type ServiceId } from '../base/index.ts';
import { resolve, restartRouterSearch } from '../control/index.ts';
import {
  countDropped,
  countResolved,
  insertTarget,
  lookup,
  type Rule,
  removeRule,
  resolveTarget,
  type ServiceTable,
  type Target,
} from '../tables/index.ts';
import type { StackState } from './state.ts';

/** `wait`: a search is under way and ends with `resolved` or `failed`. */
export type Route =
  | { readonly kind: 'send'; readonly locator: Locator }
  | { readonly kind: 'wait' }
  | { readonly kind: 'refuse'; readonly reason: Reason; readonly detail: string };

const everything = makePrefix(new Uint8Array(32), 0);

/** The next hop of a first packet that starts here; `rank` 0 is the first choice (see `choose`). */
export function routeFirstPacket(
  stack: StackState,
  service: ServiceId,
  protocol: number,
  flow: FlowId,
  nonce: FlowId,
  rank: number,
  bytes: number,
): Route {
  const target = chooseTarget(stack.services, protocol, service, flow.hi, flow.lo, nonce.hi, nonce.lo, rank);
  if (target === undefined) {
    const rule = lookup(stack.services, protocol, service, 0);
    if (rule === undefined) return routeUnknown(stack, service, protocol);
    return refuse(rule, undefined, Reason.NO_INSTANCE, 'no instance serves this protocol');
  }
  if (target.action === 'drop') return refuse(target.rule, target, Reason.POLICY_DROP, 'a rule drops it');
  if (target.action === 'delay') return refuse(target.rule, target, Reason.TRY_LATER, 'a rule holds it back');
  countResolved(target, bytes);
  const locator = target.action === 'demux' ? stack.locals[0] : target.locator;
  return locator === undefined
    ? { kind: 'refuse', reason: Reason.UNREACHABLE, detail: 'this stack has no address yet' }
    : { kind: 'send', locator };
}

/** The target a first packet resolves to: which instance depends on nothing but the packet and the table. */
export function chooseTarget(
  services: ServiceTable,
  protocol: number,
  service: ServiceId,
  flowHi: number,
  flowLo: number,
  nonceHi: number,
  nonceLo: number,
  rank: number,
): Target | undefined {
  return resolveTarget(services, protocol, service, 0, flowHi ^ nonceLo, flowLo ^ nonceHi, rank);
}

function refuse(rule: Rule, target: Target | undefined, reason: Reason, detail: string): Route {
  countDropped(rule, target);
  return { kind: 'refuse', reason, detail };
}

function routeUnknown(stack: StackState, service: ServiceId, protocol: number): Route {
  if (stack.options.forwarding)
    return { kind: 'refuse', reason: unknownNameReason(stack), detail: 'this router knows no such service' };
  if (!stack.options.adHoc)
    return { kind: 'refuse', reason: Reason.NO_SUCH_SERVICE, detail: 'no rule and no router for it' };
  stack.controlPlaneUs = 0;
  return resolve(stack.discovery, service, protocol, stack.nowUs)
    ? { kind: 'wait' }
    : { kind: 'refuse', reason: Reason.LIMIT, detail: 'too many names are being searched for' };
}

/** A router that has started lately: its registrations come in again within a lease. */
export function isLearning(stack: StackState): boolean {
  return stack.registry !== undefined && stack.nowUs < stack.learningUntilUs;
}

/** What a router says of a name that it does not know. */
export function unknownNameReason(stack: StackState): Reason {
  return isLearning(stack) ? Reason.TRY_LATER : Reason.NO_SUCH_SERVICE;
}

/** The default rule: everything that no rule names goes to the router. Undefined takes it away. */
export function setDefaultRoute(stack: StackState, router: Locator | undefined): void {
  removeRule(stack.services, everything, 'default');
  if (router === undefined) return;
  insertTarget(stack.services, everything, {
    owner: 'default',
    instance: noFlow,
    protocol: 0,
    action: 'forward',
    locator: router,
  });
}

/** The router does not answer: look for another, and let names be found ad hoc meanwhile. */
export function suspectRouter(stack: StackState): void {
  const { search } = stack;
  if (search === undefined || search.state === 'searching') return;
  stack.controlPlaneUs = 0;
  restartRouterSearch(search, stack.random, stack.nowUs);
  setDefaultRoute(stack, undefined);
}
