// The records of one stack: sockets, flows, tables, queues. Plain data, so that a state can be printed, compared and
// exported; what changes it stands in the files beside. SocketIds are never reused: a late input for a closed socket
// finds nothing and does nothing.

import type { FlowId, Locator, Prefix, Random, Reason, ServiceId } from '../base/index.ts';
import type { Discovery, Registrar, Registry, RouterSearch } from '../control/index.ts';
import type { CredentialCache, RecordReader, RecordWriter, Revocations } from '../security/index.ts';
import type { ExpiringMap, FlowTable, ServiceTable, TimerQueue } from '../tables/index.ts';
import type { BlockPool, Tcb } from '../transport/index.ts';
import type { Counters } from './counters.ts';
import type { FlowLower } from './poll.ts';
import type { Queue } from './queue.ts';
import type { Search } from './search.ts';
import type { Event, SecurityOptions, SocketId, StackOptions, StreamOptions } from './types.ts';
import type { Workspace } from './workspace.ts';

/**
 * SAL's states (docs/protocol.md, "State table"). The transport's own states (RFC 9293) live in the Tcb: SAL owns
 * opening and aborting, the transport owns sequence space and half-close.
 */
export type ConnectionState =
  | 'RESOLVING'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-SENT'
  | 'TIME-WAIT'
  | 'CLOSED';

/** What a listener and a datagram socket share: a name held by this process. */
interface NamedSocket {
  readonly socket: SocketId;
  readonly protocol: number;
  readonly prefix: Prefix;
  readonly weight: number;
  readonly priority: number;
  security: SecurityOptions;
  /** `listening` was told. */
  announced: boolean;
  /** When waiting for the router's answer ends; Infinity once announced. */
  announceDeadlineUs: number;
  closing: boolean;
  /** After `close`: the router has let go of the name, or does not answer. */
  released: boolean;
}

export interface Listener extends NamedSocket {
  readonly kind: 'listener';
  readonly backlog: number;
  readonly stream: StreamOptions;
  /** Connections in SYN-RECEIVED. */
  halfOpen: number;
  /** After `close`: how long those may still complete. */
  drainUntilUs: number;
}

export interface DatagramSocket extends NamedSocket {
  readonly kind: 'datagram-socket';
  /** The name that its datagrams come from. */
  readonly service: ServiceId;
  /** To be found by others; a made-up name is not. */
  readonly found: boolean;
}

export interface Connection {
  readonly kind: 'connection';
  readonly socket: SocketId;
  readonly protocol: number;
  readonly role: 'client' | 'server';
  readonly service: ServiceId;
  /** The listener it came through; 0 for a client. */
  readonly listener: SocketId;
  readonly localFlow: FlowId;
  readonly localNonce: FlowId;
  readonly stream: StreamOptions;
  /** First packets go here instead of where the service table says. */
  readonly via: Locator | undefined;
  state: ConnectionState;
  remoteService: ServiceId | undefined;
  remoteFlow: FlowId;
  remoteNonce: FlowId;
  peer: Locator;

  /** Opening: the attempt number that routers hash with, instances that refused, when to give up. */
  attempt: number;
  refusals: number;
  giveUpUs: number;
  /** Retransmission of the control packet under way (SYN, SYN-ACK, FIN): when, how often, and the bytes. */
  controlDeadlineUs: number;
  controlTries: number;
  controlPacket: Uint8Array | undefined;
  /** The peer has shown that our ACK arrived; until then every packet carries it again. */
  confirmed: boolean;

  tcb: Tcb | undefined;
  writer: RecordWriter | undefined;
  reader: RecordReader | undefined;
  /** Stream offsets above the transport: what SAL's FIN states. */
  sentBytes: number;
  receivedBytes: number;

  /** How many bytes the application can still take. */
  demandBytes: number;
  /** Verified plaintext that the application has not asked for. */
  readonly unread: Uint8Array[];
  /** A write was not taken whole: `writable` is owed. */
  writeBlocked: boolean;
  /** The application ended its side; the close record is queued. */
  localEnd: boolean;
  closeQueued: boolean;
  /** Our FIN is acknowledged; the peer's close record was verified; `end` was told. */
  finAcked: boolean;
  remoteEnd: boolean;
  endTold: boolean;
  /** Over, with this reason; told once everything verified has been delivered. */
  over: Reason | undefined;
  overDetail: string;

  /** Number of the next datagram sent on a connected datagram flow. */
  nextDatagram: number;
  /** The highest number received. */
  newestDatagram: number;
  /** In the ready queue; in the list of flows touched by the batch under way. */
  ready: boolean;
  touched: boolean;
  packetsIn: number;
  packetsOut: number;
  bytesIn: number;
  bytesOut: number;
}

export type Socket = Listener | DatagramSocket | Connection;

export interface OutgoingPacket {
  readonly bytes: Uint8Array;
  readonly remote: Locator;
}

export interface StackState {
  readonly options: StackOptions;
  readonly random: Random;
  readonly instance: FlowId;
  nowUs: number;
  locals: readonly Locator[];
  nextSocket: SocketId;
  readonly sockets: Map<SocketId, Socket>;
  readonly flows: FlowTable<Connection>;
  readonly timers: TimerQueue;
  readonly services: ServiceTable;
  /** Well-known names: the control plane's and the directory's. */
  readonly controlService: ServiceId;
  readonly directoryService: ServiceId;
  readonly blocks: BlockPool;

  readonly registrar: Registrar;
  readonly registry: Registry | undefined;
  /** Until then a name that the registry does not know may only not have registered again yet. */
  learningUntilUs: number;
  readonly credentials: CredentialCache;
  readonly revocations: Revocations;
  readonly discovery: Discovery;
  readonly search: RouterSearch | undefined;
  searchStartUs: number;
  /** Names being searched for on the local network, and who waits for them. */
  readonly searches: Map<string, Search>;
  /** SYNs seen lately: (source flow, nonce) to the connection they opened. */
  readonly opened: ExpiringMap<string, SocketId>;
  /** Names closed lately, whose racing dials are refused at once. */
  readonly closedNames: ExpiringMap<string, true>;
  /** Where datagrams of a name came from lately: replies go straight back. */
  readonly learned: ExpiringMap<string, Locator>;
  /** Bindings whose `listening` is owed; whose `closed` is owed until the router has let go of the name. */
  readonly unannounced: Set<Listener | DatagramSocket>;
  readonly unregistering: Set<Listener | DatagramSocket>;
  halfOpen: number;

  /** When the control plane has something to do; Infinity: nothing. 0 after a change: it is polled at once. */
  controlPlaneUs: number;
  /** Sender of the packets being handled. */
  remote: Locator;
  readonly work: Workspace;
  readonly lower: FlowLower;
  readonly events: Queue<Event>;
  readonly outbox: Queue<OutgoingPacket>;
  readonly ready: Queue<Connection>;
  readonly touched: Connection[];
  readonly counters: Counters;
}
