// A connection with several flows that are open, without the rest of a stack: what rules about them are tested on. Nothing is
// sent; tests set what an engine would have measured.

import { type Locator, noFlow, type ServiceId, seededRandom } from '../../base/index.ts';
import { createRecordReader, createRecordWriter, nullCipher } from '../../security/index.ts';
import { createTimerQueue } from '../../tables/index.ts';
import { createBlockPool, type Tcb } from '../../transport/index.ts';
import { addSubflow, createGroup, type FlowGroup, type Role, type Subflow } from '../flow-group.ts';
import { createQueue } from '../queue.ts';
import { makeConnection, nextSocketId } from '../sockets.ts';
import type { Connection, StackState } from '../state.ts';
import { attachTransport } from '../transports.ts';
import { type PathPolicy, Protocol } from '../types.ts';
import { createWorkspace } from '../workspace.ts';

export interface FlowPlan {
  readonly role?: Role;
  readonly srttUs?: number;
  readonly cwndBytes?: number;
  /** Of the peer. */
  readonly windowBytes?: number;
  /** Retransmission timeouts in a row. */
  readonly timeouts?: number;
  readonly suspect?: boolean;
  /** Last byte of the own address and of the peer's; one more for each flow if absent. */
  readonly own?: number;
  readonly peer?: number;
}

export interface TestFlows {
  readonly stack: StackState;
  readonly group: FlowGroup;
  readonly subflows: readonly Subflow[];
}

const service = new Uint8Array(32) as unknown as ServiceId;

export function openFlows(plans: readonly FlowPlan[], policy: PathPolicy = { mode: 'aggregate' }): TestFlows {
  const stack = {
    options: {},
    limits: { stallUs: Number.POSITIVE_INFINITY },
    nowUs: 1_000_000,
    random: seededRandom(1),
    blocks: createBlockPool(),
    transportOptions: new Map(),
    work: createWorkspace(),
    timers: createTimerQueue(),
    flows: { indexMask: 0xff, values: [] },
    ready: createQueue(),
    events: createQueue(),
    outbox: createQueue(),
    links: [],
    locals: [],
    interfaces: [],
  } as unknown as StackState;
  const connections = plans.map((plan, i) => openFlow(stack, plan, i));
  const [first, ...others] = connections;
  if (first === undefined) throw new RangeError('a connection has a flow');
  first.writer = createRecordWriter(nullCipher);
  first.reader = createRecordReader(nullCipher);
  const group = createGroup(first, policy);
  for (const [i, connection] of others.entries())
    addSubflow(group, connection, i + 1, i + 1, plans[i + 1]?.role ?? 'regular');
  for (const [i, subflow] of group.subflows.entries()) if (plans[i]?.suspect) subflow.suspectUs = stack.nowUs;
  return { stack, group, subflows: group.subflows };
}

function openFlow(stack: StackState, plan: FlowPlan, index: number): Connection {
  const { srttUs = 20_000, cwndBytes = 100_000, windowBytes = 1_000_000, timeouts = 0 } = plan;
  const connection = makeConnection(nextSocketId(stack), { hi: 0, lo: index }, noFlow, {
    protocol: Protocol.TCP,
    role: 'client',
    service,
    sourceService: undefined,
    listener: 0,
    stream: {},
    security: {},
    via: undefined,
    resumes: false,
  });
  const link = index === 0 ? 0 : index;
  const local = locatorOf(1, plan.own ?? index);
  const interfaces = [...stack.interfaces, { name: `if${index}`, address: local.address }];
  Object.assign(stack, { interfaces });
  if (link === 0) Object.assign(stack, { locals: [local] });
  else Object.assign(stack, { links: [...stack.links, { link, local }] });
  connection.link = link;
  connection.peer = locatorOf(2, plan.peer ?? index);
  connection.state = 'ESTABLISHED';
  const tcb: Tcb = attachTransport(stack, connection, undefined);
  Object.assign(tcb, { state: 'ESTABLISHED', sndUna: 0, sndWnd: windowBytes, maxSndWnd: windowBytes, timeouts });
  tcb.rtt.srttUs = srttUs;
  tcb.congestion.cwndBytes = cwndBytes;
  return connection;
}

export function locatorOf(net: number, host: number): Locator {
  return { address: Uint8Array.of(10, net, 0, host), port: 40_000 };
}
