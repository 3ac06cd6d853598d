// The records of one stack: sockets, flows, tables, queues. Plain data, so that a state can be printed, compared and
// exported; what changes it stands in the files beside. SocketIds are never reused: a late input for a closed socket
// finds nothing and does nothing.

import type { FlowId, Locator, Prefix, Random, Reason, ServiceId } from '../base/index.ts';
import type { Discovery, Heartbeat, Registrar, Registry, RouterSearch } from '../control/index.ts';
import type {
  CookieSecret,
  CredentialCache,
  FlowKeys,
  KeyPair,
  Offer,
  RecordReader,
  RecordWriter,
  ReplayWindow,
  Revocations,
  Trust,
} from '../security/index.ts';
import type { ExpiringMap, FlowTable, ServiceTable, TimerQueue } from '../tables/index.ts';
import type { BlockPool, EngineOptions, Tcb } from '../transport/index.ts';
import type { Association, Associations } from './association-table.ts';
import type { Counters } from './counters.ts';
import type { Subflow } from './flow-group.ts';
import type { Moves } from './moves.ts';
import type { Liveness } from './owed.ts';
import type { KnownPath } from './path-cache.ts';
import type { FlowLower } from './poll.ts';
import type { Queue } from './queue.ts';
import type { Rest, Resting } from './rest.ts';
import type { Resuming } from './resume.ts';
import type { Search } from './search.ts';
import type {
  Event,
  InterfaceAddress,
  Limits,
  LinkInfo,
  PeerProof,
  SecurityOptions,
  SocketId,
  StackOptions,
  StreamOptions,
} from './types.ts';
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
  readonly backlog: number;
  readonly stream: StreamOptions;
  security: SecurityOptions;
  /** Connections in SYN-RECEIVED. */
  halfOpen: number;
  /** `listening` was told. */
  announced: boolean;
  /** When waiting for the router's answer ends; Infinity once announced. */
  announceDeadlineUs: number;
  closing: boolean;
  /** After `close`: how long half-open connections may still complete. */
  drainUntilUs: number;
  /** After `close`: the router has let go of the name, or does not answer. */
  released: boolean;
  /** Until then clients whose first choice it is are sent elsewhere. */
  shedUntilUs: number;
}

export interface Listener extends NamedSocket {
  readonly kind: 'listener';
}

export interface DatagramSocket extends NamedSocket {
  readonly kind: 'datagram-socket';
  /** The name that its datagrams come from. */
  readonly service: ServiceId;
  /** To be found by others; a made-up name is not. */
  readonly found: boolean;
  /** Datagram events that were not dispatched yet, in bytes (sockets.ts). */
  waitingBytes: number;
}

/** What a client's opening needs and an open connection does not. */
export interface Exchange {
  readonly offer: Offer;
  pattern: number;
  /** Under XX: goes with every packet until the server has shown that it arrived. */
  proof: Uint8Array | undefined;
  /** The transport's SYN. */
  segment: Uint8Array;
  /** The cookie that was asked for, and how often one was. */
  cookie: Uint8Array | undefined;
  cookieRequests: number;
  /** The instance that is not wanted, how many pairs of SYNs it has answered, and the attempt of the last. */
  readonly avoid: Locator | undefined;
  avoided: number;
  avoidedAttempt: number;
}

/** A server's side of an opening until its ACK comes (half-open.ts). */
export interface HalfOpen {
  readonly kind: 'half-open';
  readonly protocol: number;
  /** The listener or datagram socket that it came for. */
  readonly listener: SocketId;
  /** Its entry in `opened`. */
  readonly openingKey: string;
  readonly pattern: number;
  /** Data will go in the clear: both ends want it. */
  readonly insecure: boolean;
  /** The client can go on elsewhere; it goes on for a lost connection. */
  readonly resumes: boolean;
  readonly resuming: boolean;
  /** The SYN-ACK, `answerBytes` long, and what is needed when it is answered. */
  memory: Uint8Array;
  answerBytes: number;
  /** Repetitions of the SYN-ACK. */
  tries: number;
  /** Bytes received from, and sent to, an address that has proven nothing yet. */
  receivedBytes: number;
  sentBytes: number;
}

/** A new address under examination (docs/protocol.md, "Addresses"). */
export interface PathChallenge {
  readonly locator: Locator;
  readonly link: number;
  readonly token: FlowId;
  readonly sentUs: number;
}

/** Of one connection, from its first move, or its peer's, on. */
/** Where the peer has said that it is, until it has answered from there. */
export interface AnnouncedPlace {
  readonly locator: Locator;
  readonly token: FlowId;
  /** While data still goes elsewhere: bytes that may go there. */
  allowanceBytes: number;
}

export interface Migration {
  readonly moves: Moves;
  /** When the newest move is told, or told again; Infinity: it is settled. And how often it was. */
  dueUs: number;
  tries: number;
  /** The newest move is acknowledged, and a packet of the peer has come straight to where this end told that it is. */
  settled: boolean;
  /** First interval of its repetitions: twice the round trip of the old path. */
  intervalUs: number;
  mintedUs: number;
  /** This end has moved, but may not tell yet: too many moves in too short a time. */
  unminted: boolean;
  /** The link that the flow goes to once the move is acknowledged; undefined: it has gone. */
  target: number | undefined;
  /** The application waits to hear how it ends. */
  awaited: boolean;
  place: AnnouncedPlace | undefined;
  /** When it is asked again; Infinity: there is none. */
  askUs: number;
  asks: number;
  /** The name that this end is registered by while its peer does not answer. */
  rendezvous: Uint8Array | undefined;
}

/** A connection that was given away: its records, which only `branch` of their key may seal again. */
export interface Leaving {
  readonly writer: RecordWriter;
  readonly branch: number;
}

/** A connection that stands still until the peer has committed its move. */
export interface Arriving {
  /** Nothing is known of the path from here. */
  readonly fresh: boolean;
  /** What the peer has sent to the place before comes here. */
  readonly passedOn: boolean;
  /** It is wanted here, and the move has been told. */
  begun: boolean;
}

export interface Connection {
  readonly kind: 'connection';
  readonly socket: SocketId;
  readonly protocol: number;
  readonly role: 'client' | 'server';
  readonly service: ServiceId;
  /** The name that this end calls itself by in the SYN. */
  readonly sourceService: ServiceId | undefined;
  /** The listener or datagram socket it came through; 0 for a client. */
  readonly listener: SocketId;
  readonly localFlow: FlowId;
  readonly localNonce: FlowId;
  readonly stream: StreamOptions;
  /** First packets go here instead of where the service table says. */
  readonly via: Locator | undefined;
  readonly security: SecurityOptions;
  /** The client can go on at another instance, and has said so. */
  readonly resumes: boolean;
  /** It goes on for a lost connection, and not both ends have said where. */
  resuming: Resuming | undefined;
  /** One of several flows of a connection, perhaps the first. */
  subflow: Subflow | undefined;
  /** A flow inside the stack, which serves a datagram socket. */
  association: Association | undefined;
  /** Until the peer has shown that the opening is complete. */
  exchange: Exchange | undefined;
  keys: FlowKeys | undefined;
  peerProof: PeerProof | undefined;
  challenge: PathChallenge | undefined;
  /** Bytes that may still go to the peer's address, which is not proven; Infinity: it is. */
  allowanceBytes: number;
  /** The peer has said where it is: nothing that comes from elsewhere is its own, but that it has moved again. */
  pinned: boolean;
  migration: Migration | undefined;
  /** The own address that packets left from when the machine's addresses changed last; undefined: never looked at. */
  source: Uint8Array | undefined;
  /** This machine's addresses when there was no way to the peer any more; undefined: there is one. */
  strandedFrom: readonly Locator[] | undefined;
  /** Exported, and not known to have left: what it needs to go on here. */
  leaving: Leaving | undefined;
  /** It is at rest, or stands still until the peer has committed its move (arrival.ts). */
  arriving: Arriving | undefined;
  /** The flowID that it had in the process that handed it over, which passes on what comes there until then. */
  formerFlow: FlowId | undefined;
  passedOnUntilUs: number;
  /** The address before the last change, until it has answered. */
  formerPeer: Locator | undefined;
  formerAsked: number;
  returnedUntilUs: number;
  /** When the last answer to a challenge, and the last probe because of a hint, left. */
  respondedUs: number;
  hintedUs: number;
  state: ConnectionState;
  remoteService: ServiceId | undefined;
  remoteFlow: FlowId;
  remoteNonce: FlowId;
  peer: Locator;
  /** The driver's link that its packets leave by. */
  link: number;

  /** Opening: the attempt number that routers hash with, instances that refused, when to give up. */
  attempt: number;
  refusals: number;
  giveUpUs: number;
  /** The router asked to try later. */
  postponed: boolean;
  /** Retransmission of the control packet under way (SYN, SYN-ACK, FIN): when, how often, and the bytes. */
  controlDeadlineUs: number;
  controlTries: number;
  controlPacket: Uint8Array | undefined;
  /** The server has asked the client to go on elsewhere; when it asks again, and how often it has. */
  shedding: boolean;
  shedDeadlineUs: number;
  shedTries: number;
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
  unreadBytes: number;
  /** Datagram events that were not dispatched yet, in bytes (sockets.ts). */
  waitingBytes: number;
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
  /** Of a datagram flow. */
  replay: ReplayWindow | undefined;
  /** When an incomplete record that does not grow is taken for forged; Infinity: none stands there. */
  recordDeadlineUs: number;
  recordReadable: number;
  /** How often in a row the record at one and the same offset of the stream was refused. */
  refusedOffset: number;
  refusedTimes: number;
  /** Until then payload without a tag is dropped, because some was forged; and until then the peer drops ours. */
  distrustUntilUs: number;
  tagAllUntilUs: number;
  /** Counted under this address (`flowsPerPeer`); undefined: not counted. */
  peerAddress: string | undefined;
  /** What is known of whether the peer is still there. The application wrote last, and nothing has come since. */
  readonly liveness: Liveness;
  awaitsReply: boolean;
  /** In the ready queue; in the list of flows touched by the batch under way. */
  ready: boolean;
  touched: boolean;
  packetsIn: number;
  packetsOut: number;
  /** In packets of this flow, both ways. */
  wireBytes: number;
  bytesIn: number;
  bytesOut: number;
}

/** A flow that has left this process, or is about to: what comes for it is passed on. */
export interface Forwarding {
  readonly kind: 'forwarding';
  readonly localFlow: FlowId;
  readonly to: Locator;
  /** Where alone its peer is listened to, but for moves; undefined: anywhere. */
  readonly from: Locator | undefined;
}

/** What a flowID stands for. */
export type Flow = Connection | HalfOpen | Forwarding | Resting;

/** What holds a name and takes SYNs for it. */
export type Binding = Listener | DatagramSocket;
export type Socket = Binding | Connection | Resting;

/** Whether a program has the port at `remote` is to be found out by the driver. */
export interface HostProbe {
  readonly remote: Locator;
  readonly link: number;
}

export interface OutgoingPacket {
  readonly bytes: Uint8Array;
  readonly remote: Locator;
  readonly link: number;
  /** The memory of `bytes`, if it is to be used again when they have left. */
  readonly spare: DataView | undefined;
}

export interface StackState {
  readonly options: StackOptions;
  readonly random: Random;
  readonly instance: FlowId;
  nowUs: number;
  /** The link has been bound once; it may have no address now. */
  bound: boolean;
  locals: readonly Locator[];
  /** Beside link 0. */
  links: readonly LinkInfo[];
  /** The own address that packets to the router left from when the machine's addresses changed last. */
  seenFrom: Uint8Array | undefined;
  interfaces: readonly InterfaceAddress[];
  /** Connections by the name that they can be reached at through a router while a move is not answered. */
  readonly rendezvous: Map<string, Connection>;
  /** Connections that were handed to this stack, by the flowIDs that they had before. */
  readonly formerFlows: Map<string, Connection>;
  nextSocket: SocketId;
  readonly sockets: Map<SocketId, Socket>;
  readonly flows: FlowTable<Flow>;
  readonly timers: TimerQueue;
  readonly rest: Rest;
  /** After so long without anything a connection is put to rest. */
  readonly restUs: number;
  readonly services: ServiceTable;
  /** Well-known names: the control plane's and the directory's. */
  readonly controlService: ServiceId;
  readonly directoryService: ServiceId;
  readonly blocks: BlockPool;
  /** Of transports, by what they stand for. */
  readonly transportOptions: Map<string, EngineOptions>;
  /** Whose write found no memory; when to look at the memory again, Infinity: there is enough. */
  readonly starved: Set<Connection>;
  pressureUs: number;

  readonly registrar: Registrar;
  readonly heartbeat: Heartbeat;
  readonly registry: Registry | undefined;
  /** Until then a name that the registry does not know may only not have registered again yet. */
  learningUntilUs: number;
  /** Whose keys count for which names: for peers, and for registrations. */
  readonly trust: Trust;
  readonly credentials: CredentialCache;
  readonly revocations: Revocations;
  readonly discovery: Discovery;
  readonly search: RouterSearch | undefined;
  searchStartUs: number;
  /** Names being searched for on the local network, and who waits for them. */
  readonly searches: Map<string, Search>;
  /** SYNs seen lately, and what they opened; `over`: it is half-open no longer. */
  readonly opened: ExpiringMap<string, HalfOpen | 'over'>;
  /** Names closed lately, whose racing dials are refused at once. */
  readonly closedNames: ExpiringMap<string, true>;
  /** Where connections led that are gone, for those that must not lead there again. */
  readonly departed: ExpiringMap<SocketId, Locator>;
  /** Where datagrams of a name came from lately: replies go straight back. */
  readonly learned: ExpiringMap<string, Locator>;
  /** Bindings whose `listening` is owed; whose `closed` is owed until the router has let go of the name. */
  readonly unannounced: Set<Listener | DatagramSocket>;
  readonly unregistering: Set<Listener | DatagramSocket>;
  halfOpen: number;
  /** SYNs answered without a cookie that have led to nothing, leaking away; and when that was worked out. */
  synDebt: number;
  synDebtUs: number;
  readonly limits: Limits;
  readonly cookieSecret: CookieSecret;
  /** Addresses that have shown lately that they receive: a router asks them for no cookie. */
  readonly provenAddresses: ExpiringMap<string, true>;
  /** Accepted connections by address. */
  readonly flowsByPeer: Map<string, number>;
  readonly associations: Associations;
  /** Of listeners without an identity; made at the first need. */
  ownKey: KeyPair | undefined;

  /** When the control plane has something to do; Infinity: nothing. 0 after a change: it is polled at once. */
  controlPlaneUs: number;
  /** Sender of the packets being handled, and the link that they came by. */
  remote: Locator;
  link: number;
  readonly work: Workspace;
  readonly lower: FlowLower;
  readonly events: Queue<Event>;
  readonly outbox: Queue<OutgoingPacket>;
  /** Memory of first packets that were passed on, room for a SYN and its SOURCE each. */
  readonly spares: DataView[];
  readonly hostProbes: Queue<HostProbe>;
  /** Hosts, and the router about remotes, that were asked a moment ago; questions to the router by transaction. */
  readonly asked: ExpiringMap<string, true>;
  readonly inquiries: ExpiringMap<number, Locator>;
  /** Where nobody listens any more, as its host said at that time. */
  readonly unreachable: ExpiringMap<string, number>;
  /** By remote. */
  readonly knownPaths: ExpiringMap<string, KnownPath>;
  /** When the flows were last looked through for such a word. */
  wordsUs: number;
  readonly ready: Queue<Connection>;
  readonly touched: Queue<Connection>;
  readonly counters: Counters;
}
