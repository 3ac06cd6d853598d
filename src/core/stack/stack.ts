// One host: what a driver drives. `handle` takes an input, `poll` gives the outputs (types.ts has the contract); all
// state is in one record. The dispatcher names a handler per input and holds no logic of its own.

import { noLocator, Reason, randomId } from '../base/index.ts';
import {
  bootNow,
  createDiscovery,
  createHeartbeat,
  createRegistrar,
  createRegistry,
  createRouterSearch,
  dropRevoked,
  restartRouterSearch,
  setRegistrarRouter,
} from '../control/index.ts';
import {
  applyRevocationList,
  controlLabel,
  createCookieSecret,
  createCredentialCache,
  createRevocations,
  createTrust,
  directoryLabel,
  labelServiceId,
} from '../security/index.ts';
import {
  createExpiringMap,
  createFlowTable,
  createServiceTable,
  createTimerQueue,
  nextDeadlineUs,
  popExpired,
  schedule,
} from '../tables/index.ts';
import { createBlockPool, nextDeadlineUs as transportDeadlineUs } from '../transport/index.ts';
import { retrySynAck } from './accept.ts';
import { followAddresses } from './addresses.ts';
import { giveUpArrival } from './arrival.ts';
import { createAssociations } from './association-table.ts';
import { pollAssociation } from './associations.ts';
import { abort, endLocal, retryFin } from './close.ts';
import { pollControlPlane } from './control-plane.ts';
import { createCounters } from './counters.ts';
import { sendDatagram } from './datagrams.ts';
import { discardRecord } from './distrust.ts';
import { isJoined, type Subflow } from './flow-group.ts';
import { pollSubflow } from './group-stream.ts';
import { endForwarding, exportConnection, leave, take } from './handoff-export.ts';
import { importConnection } from './handoff-import.ts';
import { hasDirectory, inspect, type StackInfo, usesLink, wantsLinks } from './inspect.ts';
import { pollJoin } from './join.ts';
import { defaultLimits } from './limits.ts';
import { checkLiveness, handleUnreachable } from './liveness.ts';
import { migrate, pollMoves } from './migrate.ts';
import { announceAll, closeBinding, listen, openDatagramSocket, renewRegistration } from './names.ts';
import { connect, retrySyn } from './open.ts';
import { forgetPaths } from './path-cache.ts';
import { pathsOf } from './path-info.ts';
import { tooBig } from './path-mtu.ts';
import { lookForPaths, lookSoon } from './paths.ts';
import { createFlowLower, poll } from './poll.ts';
import { watchMemory } from './pressure.ts';
import { createQueue } from './queue.ts';
import { receive } from './receive.ts';
import { awakeOf, createRest, defaultRestUs, findConnection, putToRest, wake } from './rest.ts';
import { resume } from './resume.ts';
import { setDefaultRoute } from './route.ts';
import { changeRule } from './rules.ts';
import { retryShed, shed } from './shed.ts';
import { shutDown } from './shutdown.ts';
import { arm, connectionDeadlineUs, deliver, findBinding, releaseFlow, timerHandle } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { handleStreamTimeout, write } from './stream.ts';
import { changeStream } from './transports.ts';
import {
  type Input,
  type Output,
  type OutputKind,
  type PathInfo,
  Protocol,
  type SocketId,
  type StackOptions,
} from './types.ts';
import { widenConnections } from './wide.ts';
import { createWorkspace } from './workspace.ts';

const defaultHeartbeatUs = 1_000_000;

export interface Stack {
  /** What the input asked to know: a SocketId, bytes taken, or 0. */
  handle(nowUs: number, input: Input): number;
  /** `events`: false asks for everything else. */
  poll(nowUs: number, output: Output, events?: boolean): OutputKind;
  /** Tables, flows and counters as plain JSON. */
  inspect(): StackInfo;
  /** The router in use has a directory of names. */
  hasDirectory(): boolean;
  /** A flow goes by this link of the driver's. */
  usesLink(link: number): boolean;
  /** A connection is to go by several interfaces. */
  wantsLinks(): boolean;
  /** Of a connection, in the order of their numbers; none if there is no such socket. */
  pathsOf(socket: SocketId): PathInfo[];
  readonly state: StackState;
}

export function createStack(options: StackOptions): Stack {
  const state = createState(options);
  widenConnections(state);
  return {
    handle(nowUs, input) {
      state.nowUs = nowUs;
      const answer = dispatch(state, input);
      if (state.controlPlaneUs <= nowUs) pollControlPlane(state);
      watchMemory(state);
      return answer;
    },
    poll(nowUs, output, events = true) {
      state.nowUs = nowUs;
      return poll(state, output, events);
    },
    inspect: () => inspect(state),
    hasDirectory: () => hasDirectory(state),
    usesLink: (link) => usesLink(state, link),
    wantsLinks: () => wantsLinks(state),
    pathsOf: (socket) => pathsOf(state, socket),
    state,
  };
}

function createState(options: StackOptions): StackState {
  const { primitives, router } = options;
  const { random } = primitives;
  const instance = randomId(random);
  const boot = bootNow(primitives);
  const services = createServiceTable(random.uint32());
  const controlService = labelServiceId(primitives, controlLabel);
  const directoryService = labelServiceId(primitives, directoryLabel);
  const reserved = [controlService, directoryService];
  const credentials = createCredentialCache();
  const revocations = createRevocations();
  const trust = options.trust ?? createTrust();
  const searches = options.adHoc && router === undefined && !options.forwarding;
  const limits = { ...defaultLimits, ...options.limits };
  const state: StackState = {
    options,
    random,
    instance,
    nowUs: 0,
    bound: false,
    locals: [],
    links: [],
    seenFrom: undefined,
    interfaces: [],
    rendezvous: new Map(),
    formerFlows: new Map(),
    nextSocket: 1,
    sockets: new Map(),
    flows: createFlowTable(limits.flows),
    timers: createTimerQueue(),
    rest: createRest(),
    restUs: options.restUs ?? defaultRestUs,
    services,
    controlService,
    directoryService,
    blocks: createBlockPool(limits.bufferBytes),
    transportOptions: new Map(),
    starved: new Set(),
    pressureUs: Number.POSITIVE_INFINITY,
    registrar: createRegistrar({ instance, boot, leaseUs: options.leaseUs, primitives }),
    heartbeat: createHeartbeat(options.heartbeatUs ?? defaultHeartbeatUs),
    registry: options.controller
      ? createRegistry({
          primitives,
          table: services,
          boot,
          leaseUs: options.leaseUs,
          reserved,
          trust,
          credentials,
          revocations,
          requireKeys: options.requireKeys ?? false,
        })
      : undefined,
    learningUntilUs: 0,
    trust,
    credentials,
    revocations,
    discovery: createDiscovery(services, random),
    search: searches ? createRouterSearch(random, 0) : undefined,
    searchStartUs: 0,
    searches: new Map(),
    opened: createExpiringMap(16_384, 'evict'),
    closedNames: createExpiringMap(1024, 'evict'),
    departed: createExpiringMap(1024, 'evict'),
    learned: createExpiringMap(4096, 'evict'),
    unannounced: new Set(),
    unregistering: new Set(),
    halfOpen: 0,
    synDebt: 0,
    synDebtUs: 0,
    limits,
    cookieSecret: createCookieSecret(primitives, 0),
    provenAddresses: createExpiringMap(65_536, 'evict'),
    flowsByPeer: new Map(),
    associations: createAssociations(),
    ownKey: undefined,
    controlPlaneUs: Number.POSITIVE_INFINITY,
    remote: noLocator,
    link: 0,
    work: createWorkspace(),
    lower: createFlowLower(),
    events: createQueue(),
    outbox: createQueue(),
    spares: [],
    hostProbes: createQueue(),
    asked: createExpiringMap(1024, 'evict'),
    inquiries: createExpiringMap(1024, 'evict'),
    unreachable: createExpiringMap(1024, 'evict'),
    knownPaths: createExpiringMap(1024, 'evict'),
    wordsUs: Number.NEGATIVE_INFINITY,
    ready: createQueue(),
    touched: createQueue(),
    counters: createCounters(),
  };
  if (router !== undefined) setDefaultRoute(state, router);
  return state;
}

function dispatch(stack: StackState, input: Input): number {
  switch (input.kind) {
    case 'packets':
      receive(stack, input.buffer, input.bytes, input.remote, input.link ?? 0);
      return 0;
    case 'tick':
      handleTick(stack);
      return 0;
    case 'bound':
      handleBound(stack, input);
      return 0;
    case 'listen':
      return listen(stack, input);
    case 'connect':
      return connect(stack, input);
    case 'datagram-socket':
      return openDatagramSocket(stack, input);
    case 'datagram':
      return sendDatagram(stack, input);
    case 'identity':
      return renewIdentity(stack, input);
    case 'revocations':
      return handleRevocations(stack, input);
    case 'close':
      return handleClose(stack, input);
    case 'shed':
      return shed(stack, input.socket);
    case 'migrate':
      return migrate(stack, input);
    case 'export':
      return exportConnection(stack, input);
    case 'import':
      return importConnection(stack, input);
    case 'rule':
      return changeRule(stack, input);
    case 'shutdown':
      shutDown(stack);
      return 0;
    case 'unreachable':
      handleUnreachable(stack, input.remote);
      return 0;
    case 'too-big':
      tooBig(stack, input.remote, input.packetBytes);
      return 0;
    default:
      return handleConnectionInput(stack, input);
  }
}

type ConnectionInput = Extract<
  Input,
  { kind: 'write' | 'read' | 'end' | 'abort' | 'options' | 'take' | 'leave' | 'resume' }
>;

function handleConnectionInput(stack: StackState, input: ConnectionInput): number {
  const connection = findConnection(stack, input.socket);
  if (connection === undefined) return 0;
  switch (input.kind) {
    case 'write':
      return write(stack, connection, input.bytes, input.offset);
    case 'read':
      connection.demandBytes += input.bytes;
      deliver(stack, connection);
      return 0;
    case 'end':
      endLocal(stack, connection);
      return 0;
    case 'resume':
      return resume(stack, connection, input);
    case 'take':
      return take(stack, connection);
    case 'leave':
      return leave(stack, connection);
    case 'abort':
      // What another process may have is not this one's to reset.
      if (leave(stack, connection) === 1) return 0;
      abort(stack, connection, input.reason ?? Reason.ABORTED, 'this side aborted the connection');
      return 0;
    case 'options':
      changeStream(stack, connection, input.stream);
      return 0;
  }
}

/** At first: the configured router becomes the default rule, or the search for one begins. */
function handleBound(stack: StackState, input: Extract<Input, { kind: 'bound' }>): void {
  const before = stack.locals;
  stack.locals = input.locals;
  stack.links = input.links ?? [];
  stack.interfaces = input.interfaces ?? [];
  if (stack.bound) {
    forgetPaths(stack);
    followAddresses(stack, before);
    return lookEverywhere(stack);
  }
  stack.bound = true;
  const { router } = stack.options;
  stack.controlPlaneUs = 0;
  stack.searchStartUs = stack.nowUs;
  // In a third of its lease every instance that lives refreshes.
  stack.learningUntilUs = stack.nowUs + (stack.options.learningUs ?? stack.options.leaseUs / 3);
  if (stack.search !== undefined) restartRouterSearch(stack.search, stack.random, stack.nowUs);
  if (router !== undefined) setRegistrarRouter(stack.registrar, router, undefined, stack.nowUs);
  announceAll(stack);
}

/** Connections with several flows may have other ones now. */
function lookEverywhere(stack: StackState): void {
  for (const { subflow } of awakeOf(stack)) if (subflow?.pathId === 0) lookSoon(stack, subflow.group);
}

function handleClose(stack: StackState, input: Extract<Input, { kind: 'close' }>): number {
  const socket = findBinding(stack, input.socket) ?? findConnection(stack, input.socket);
  if (socket === undefined) return 0;
  if (socket.kind !== 'connection') closeBinding(stack, socket);
  else if (socket.protocol === Protocol.UDP) abort(stack, socket, Reason.CLOSED, 'this side closed the flow');
  else endLocal(stack, socket);
  return 0;
}

function renewIdentity(stack: StackState, input: Extract<Input, { kind: 'identity' }>): number {
  const socket = findBinding(stack, input.socket);
  if (socket === undefined) return 0;
  socket.security = { ...socket.security, identity: input.identity };
  renewRegistration(stack, socket, input.identity);
  return 1;
}

function handleRevocations(stack: StackState, { list }: Extract<Input, { kind: 'revocations' }>): Reason {
  const reason = applyRevocationList(stack.options.primitives, stack.revocations, list);
  if (reason === Reason.OK && stack.registry !== undefined) dropRevoked(stack.registry, stack.nowUs);
  return reason;
}

function handleTick(stack: StackState): void {
  while (nextDeadlineUs(stack.timers) <= stack.nowUs) {
    const handle = popExpired(stack.timers, stack.nowUs);
    const flow = handle < 0 ? undefined : stack.flows.values[handle];
    if (flow?.kind === 'half-open') retrySynAck(stack, flow);
    else if (flow?.kind === 'forwarding') endForwarding(stack, flow);
    else if (flow !== undefined) handleTimer(stack, flow.kind === 'resting' ? wake(stack, flow) : flow);
  }
}

/** A flow's deadline: the control packet's, the transport's, that of what its peer owes, or several. */
function handleTimer(stack: StackState, connection: Connection): void {
  const deadlineUs = connectionDeadlineUs(connection);
  if (deadlineUs > stack.nowUs) return settleDown(stack, connection, deadlineUs);
  const due = isStreamDue(stack, connection);
  if (connection.controlDeadlineUs <= stack.nowUs) handleControlTimer(stack, connection);
  if (connection.liveness.dueUs <= stack.nowUs) checkLiveness(stack, connection);
  if (connection.recordDeadlineUs <= stack.nowUs) discardRecord(stack, connection);
  if (connection.shedDeadlineUs <= stack.nowUs) retryShed(stack, connection);
  pollMoves(stack, connection);
  if (connection.subflow !== undefined) handleSubflowTimer(stack, connection, connection.subflow);
  if (due && (connection.state === 'ESTABLISHED' || connection.state === 'FIN-SENT'))
    handleStreamTimeout(stack, connection);
  if (connection.state !== 'CLOSED') arm(stack, connection);
}

/** Nothing is due: it is the deadline of its rest. Its true one stays. */
function settleDown(stack: StackState, connection: Connection, deadlineUs: number): void {
  putToRest(stack, connection);
  schedule(stack.timers, timerHandle(stack, connection), deadlineUs);
}

function isStreamDue({ nowUs }: StackState, { tcb, recordDeadlineUs }: Connection): boolean {
  return tcb !== undefined && Math.min(recordDeadlineUs, transportDeadlineUs(tcb)) <= nowUs;
}

function handleSubflowTimer(stack: StackState, connection: Connection, subflow: Subflow): void {
  if (subflow.pathId === 0 && subflow.group.lookUs <= stack.nowUs) lookForPaths(stack, subflow.group);
  if (connection.subflow === subflow) pollSubflow(stack, subflow);
}

function handleControlTimer(stack: StackState, connection: Connection): void {
  if (isJoined(connection)) return pollJoin(stack, connection);
  switch (connection.state) {
    case 'RESOLVING':
    case 'SYN-SENT':
      return retrySyn(stack, connection);
    case 'ESTABLISHED':
      if (connection.arriving !== undefined) return giveUpArrival(stack, connection);
      return pollAssociation(stack, connection);
    case 'FIN-SENT':
      return retryFin(stack, connection);
    case 'TIME-WAIT':
      return releaseFlow(stack, connection);
    default:
      return;
  }
}
