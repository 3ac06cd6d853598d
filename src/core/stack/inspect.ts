// What people and tools may see of a stack: flows, rules, registrations, counters, as plain JSON (rows O1, S6). Reading
// changes nothing. Addresses appear here, for operators; the sockets layer never shows them to applications.

import { formatFlowId, formatLocator, formatPrefix, formatServiceId } from '../base/index.ts';
import { AdvertFlag, isRegistered, listRegistry, type RegistrationInfo } from '../control/index.ts';
import { dump, flowEntries, type RuleInfo } from '../tables/index.ts';
import { type CountersInfo, countersInfo } from './counters.ts';
import { firstOf } from './flow-group.ts';
import { readOpening } from './half-open.ts';
import { pathInfo } from './path-info.ts';
import { peek } from './rest.ts';
import type { Connection, HalfOpen, StackState } from './state.ts';
import { type FlowInfo, Protocol } from './types.ts';

export interface ListenerInfo {
  readonly socket: number;
  readonly service: string;
  readonly protocol: 'stream' | 'datagram';
  readonly registered: boolean;
  /** It proves its name by a credential. */
  readonly authenticated: boolean;
}

export interface StackInfo {
  readonly locals: readonly string[];
  /** The router in use; null: none, names are found ad hoc or by rules. */
  readonly router: string | null;
  /** The router answers name queries. */
  readonly directory: boolean;
  readonly listeners: readonly ListenerInfo[];
  readonly flows: readonly FlowInfo[];
  readonly rules: readonly RuleInfo[];
  readonly registrations: readonly RegistrationInfo[];
  readonly counters: CountersInfo;
}

export function flowInfo(stack: StackState, connection: Connection): FlowInfo {
  const { tcb } = connection;
  return {
    socket: firstOf(connection).socket,
    protocol: connection.protocol === Protocol.TCP ? 'stream' : 'datagram',
    role: connection.role,
    state: connection.state === 'ESTABLISHED' && tcb !== undefined ? tcb.state : connection.state,
    service: formatServiceId(connection.service),
    localFlow: formatFlowId(connection.localFlow),
    remoteFlow: formatFlowId(connection.remoteFlow),
    remote: formatLocator(connection.peer),
    link: connection.link,
    bytesIn: connection.bytesIn,
    bytesOut: connection.bytesOut,
    packetsIn: connection.packetsIn,
    packetsOut: connection.packetsOut,
    retransmits: tcb?.counters.retransmits ?? 0,
    authenticated: connection.peerProof?.authenticated ?? false,
    encrypted: connection.peerProof?.encrypted ?? true,
    ...groupInfo(stack, connection),
    resumes: connection.resumes,
    shedding: connection.shedding,
    rttUs: Math.round(tcb?.rtt.srttUs ?? 0),
    cwndBytes: tcb?.congestion.cwndBytes ?? 0,
    packetBytes: tcb?.mtu.currentBytes ?? 0,
  };
}

function groupInfo(stack: StackState, { subflow }: Connection): Pick<FlowInfo, 'path' | 'pathRole' | 'interface'> {
  if (subflow === undefined) return { path: 0, pathRole: null, interface: null };
  const { path, role, interface: name } = pathInfo(stack, subflow);
  return { path, pathRole: role, interface: name ?? null };
}

/** A flow's packets leave by this link, or will, or may when others fail. */
export function usesLink(stack: StackState, link: number): boolean {
  for (const flow of flowEntries(stack.flows))
    if (flow.kind === 'connection' && (flow.link === link || flow.migration?.target === link)) return true;
  return wantsLinks(stack);
}

/** A connection is to go by several interfaces. */
export function wantsLinks(stack: StackState): boolean {
  for (const flow of flowEntries(stack.flows))
    if (flow.kind === 'connection' && flow.subflow?.group.policy !== undefined) return true;
  return false;
}

export function flowInfos(stack: StackState): FlowInfo[] {
  const infos: FlowInfo[] = [];
  for (const flow of flowEntries(stack.flows)) {
    if (flow.kind === 'connection') infos.push(flowInfo(stack, flow));
    else if (flow.kind === 'resting') infos.push(flowInfo(stack, peek(stack, flow)));
    else if (flow.kind === 'half-open') infos.push(halfOpenInfo(flow));
  }
  return infos;
}

function halfOpenInfo(half: HalfOpen): FlowInfo {
  const { service, localFlow, remoteFlow, peer } = readOpening(half);
  return {
    socket: 0,
    protocol: half.protocol === Protocol.TCP ? 'stream' : 'datagram',
    role: 'server',
    state: 'SYN-RECEIVED',
    service: formatServiceId(service),
    localFlow: formatFlowId(localFlow),
    remoteFlow: formatFlowId(remoteFlow),
    remote: formatLocator(peer),
    link: 0,
    bytesIn: 0,
    bytesOut: 0,
    packetsIn: 1,
    packetsOut: half.tries + 1,
    retransmits: half.tries,
    authenticated: false,
    encrypted: !half.insecure,
    path: 0,
    pathRole: null,
    interface: null,
    resumes: half.resumes,
    shedding: false,
    rttUs: 0,
    cwndBytes: 0,
    packetBytes: 0,
  };
}

function listenerInfos(stack: StackState): ListenerInfo[] {
  const infos: ListenerInfo[] = [];
  for (const socket of stack.sockets.values()) {
    if (socket.kind === 'connection' || socket.kind === 'resting') continue;
    infos.push({
      socket: socket.socket,
      service: formatPrefix(socket.prefix),
      protocol: socket.protocol === Protocol.TCP ? 'stream' : 'datagram',
      registered: isRegistered(stack.registrar, socket.prefix, socket.protocol),
      authenticated: (socket.security.identity?.credential.length ?? 0) > 0,
    });
  }
  return infos;
}

export function inspect(stack: StackState): StackInfo {
  const router = stack.options.router ?? stack.search?.router;
  return {
    locals: stack.locals.map(formatLocator),
    router: router === undefined ? null : formatLocator(router),
    directory: hasDirectory(stack),
    listeners: listenerInfos(stack),
    flows: flowInfos(stack),
    rules: dump(stack.services),
    registrations: stack.registry === undefined ? [] : listRegistry(stack.registry, stack.nowUs),
    counters: countersInfo(stack.counters),
  };
}

/** Whether the router in use answers name queries: as its ADVERT said; one that was configured sends none and is asked. */
export function hasDirectory(stack: StackState): boolean {
  if (stack.options.router !== undefined) return true;
  return stack.search?.state === 'found' && (stack.search.flags & AdvertFlag.DIRECTORY) !== 0;
}
