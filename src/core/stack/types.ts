// The contract between a stack and whatever drives it (io with real sockets, sim with virtual ones):
// `handle(nowUs, input)`, then `poll` until it answers `idle`. Inputs are plain values, so that a log of them
// replays a run; outputs go into records that the caller owns and reuses. A stack has one deadline; the driver owns
// the one timer.

import type { FlowId, Locator, Prefix, Primitives, Reason, ServiceId } from '../base/index.ts';
import type { Identity, Trust } from '../security/index.ts';
import type { TargetOptions } from '../tables/index.ts';
import type { CongestionName, PacketBatch } from '../transport/index.ts';
import type { ResumePoint } from '../wire/index.ts';

/** Names a socket of one stack: a listener, a connection or a datagram socket. Never reused. */
export type SocketId = number;

/** IANA protocol numbers of what runs above SAL. */
export const Protocol = { TCP: 6, UDP: 17 } as const;

export interface StreamOptions {
  readonly nagle?: boolean;
  readonly keepAliveUs?: number;
  readonly sendBufferBytes?: number;
  readonly receiveBufferBytes?: number;
  /** CUBIC unless given. */
  readonly congestion?: CongestionName;
}

/** How one end of a connection proves itself, and what it asks of the other. */
export interface SecurityOptions {
  /** Who this end is. Absent: a client without a name, a server whose key nobody vouches for. */
  readonly identity?: Identity;
  /** Data in the clear, if the other end wants that too; handshake and tags stay. */
  readonly insecure?: boolean;
  /** Listeners: refuse clients that prove no name. */
  readonly requireKey?: boolean;
  /** Clients: the self-certifying serviceID of the key that must stand at the root of the server's credential. */
  readonly expects?: ServiceId;
  /** Clients: take a label's word for it from anywhere, not only from this machine and private networks. */
  readonly unauthenticated?: boolean;
  /** Bodies of records are filled up to a multiple of this; 0 or absent: not at all. */
  readonly paddingBytes?: number;
}

/** What is known of the other end of a connection. */
export interface PeerProof {
  /** It proved the name that was asked for (to a client), or one of its own (to a server). */
  readonly authenticated: boolean;
  /** Ed25519 key at the root of its credential; undefined: it showed none. */
  readonly rootKey: Uint8Array | undefined;
  /** The names that its credential is for. */
  readonly prefix: Prefix | undefined;
  readonly encrypted: boolean;
  readonly near: Nearness;
}

/** This machine, an address that is not of the public internet, any other. */
export type Nearness = 'host' | 'network' | 'elsewhere';

/**
 * Which of this machine's interfaces a client's connection goes by; without one, it has a single flow.
 */
export interface PathPolicy {
  /** `aggregate`: data goes by all at once. `backup`: by the first flow, and by others while that is down. */
  readonly mode: 'aggregate' | 'backup';
  /** By name, the best first, and all others behind them: data goes by the best that there is, the rest are backups. */
  readonly prefer?: readonly string[];
  /** Bytes that may pass an interface, both ways, headers of IP and UDP not counted; 0: it is not used. */
  readonly maxBytes?: Readonly<Record<string, number>>;
}

/** One of the ways that a connection goes by, as its application sees it: no addresses. */
export interface PathInfo {
  /** Number within the connection; 0: the first, which a connection always has. */
  readonly path: number;
  /** Of this machine; undefined: it has none now, or nobody knows. */
  readonly interface: string | undefined;
  /** Data goes by `preferred` ones, else by `regular` ones, else by a `backup`. */
  readonly role: 'preferred' | 'regular' | 'backup';
  /** `down`: its peer is silent, or there is no address; it may come back. `gone`: it will not. */
  readonly state: 'opening' | 'up' | 'down' | 'gone';
  readonly rttUs: number;
  /** In packets, both ways, headers of IP and UDP not counted. */
  readonly bytes: number;
}

/** An address of this machine, and what its interface is called. */
export interface InterfaceAddress {
  readonly name: string;
  readonly address: Uint8Array;
}

/** One of the driver's links. Link 0 is bound to every address; the network layer chooses the source. Numbers are never reused. */
export interface LinkInfo {
  readonly link: number;
  readonly local: Locator;
}

export type Input =
  /**
   * One received datagram, or super-packet of several, from one sender. The buffer is read before `handle` returns.
   * `link`: which of the driver's links it came by; 0 if absent.
   */
  | { kind: 'packets'; buffer: Uint8Array; bytes: number; remote: Locator; link?: number }
  /** The deadline that `poll` reported has come. */
  | { kind: 'tick' }
  /**
   * The link is bound: where others reach this stack. Given once at start and at each change of the machine's addresses.
   * `links`: those that stand beside link 0 now, each at one local address. `interfaces`: what policies call them.
   */
  | {
      kind: 'bound';
      locals: readonly Locator[];
      links?: readonly LinkInfo[];
      interfaces?: readonly InterfaceAddress[];
    }
  /** Answers a new SocketId. `bits` below 256 binds a prefix. */
  | {
      kind: 'listen';
      service: ServiceId;
      bits: number;
      protocol: number;
      backlog?: number;
      weight?: number;
      priority?: number;
      stream?: StreamOptions;
      security?: SecurityOptions;
    }
  /** Answers a new SocketId. `via` overrides resolution: the first packet goes there. */
  | {
      kind: 'connect';
      service: ServiceId;
      protocol: number;
      /** The name that this end calls itself by. */
      source?: ServiceId;
      via?: Locator;
      /** Not the instance that this socket of the stack is, or was up to a minute ago, connected to. */
      avoid?: SocketId;
      timeoutUs?: number;
      stream?: StreamOptions;
      security?: SecurityOptions;
      /** The application can go on at another instance: the server may ask for it (`shed`). */
      resumes?: boolean;
      /** On behalf of a connection that was lost: after `connected`, and before anything else, `resume` is given. */
      resuming?: boolean;
      /** Several flows, as far as this machine has addresses for them. */
      paths?: PathPolicy;
    }
  /**
   * Where this end of a `resuming` connection goes on: the client's first word, and the server's answer to it. Answers 1, and
   * `resumed` follows at the client, or `closed`. Nothing is written or delivered before both have said it.
   */
  | { kind: 'resume'; socket: SocketId; point: ResumePoint }
  /** A renewed credential, for what a listener tells from now on. */
  | { kind: 'identity'; socket: SocketId; identity: Identity }
  /** Answers how many of the bytes from `offset` were taken; `writable` follows when it was not all. */
  | { kind: 'write'; socket: SocketId; bytes: Uint8Array; offset: number }
  /** The application can take `bytes` more: `data` events follow until they are used up (a last one may exceed it). */
  | { kind: 'read'; socket: SocketId; bytes: number }
  /**
   * The flow goes to `link`, or says again where it is. Answers 1 if a move began, and then `migrated` or `migrate-failed`
   * follows, or the end of the connection.
   */
  | { kind: 'migrate'; socket: SocketId; link?: number }
  /**
   * The connection is to go on in another process, at `to`: it stops here. Answers a Reason; after OK `exported` follows, and
   * then the caller says `take` or `leave`.
   */
  | { kind: 'export'; socket: SocketId; to: Locator }
  /**
   * A connection that another stack exported, at rest; `listener`: the socket whose connections it belongs to, if it was
   * accepted. Answers a new SocketId, and `imported` follows, and then the caller says `take` or `leave`; or a Reason with a
   * minus.
   */
  | { kind: 'import'; state: Uint8Array; listener?: SocketId }
  /**
   * The connection at rest, exported or imported, is to go on here. Answers 1, and `migrated` follows, or `closed` if somebody
   * else was quicker.
   */
  | { kind: 'take'; socket: SocketId }
  /** The exported connection has left; the imported one is not wanted. Nothing is told to the peer; `closed` follows. */
  | { kind: 'leave'; socket: SocketId }
  /** Half-close: end of what this side sends. */
  | { kind: 'end'; socket: SocketId }
  /** Abort a connection (RST), whatever its state. `reason`: what the peer is told; ABORTED if absent. */
  | { kind: 'abort'; socket: SocketId; reason?: Reason }
  /** Close a listener or a datagram socket: unregisters first, then refuses racing dials. */
  | { kind: 'close'; socket: SocketId }
  /**
   * An accepted connection: asks its client to go on at another instance; answers 1 if it can, and was not asked before. A
   * listener: for a second, clients whose first choice this instance is are sent to their next one.
   */
  | { kind: 'shed'; socket: SocketId }
  | { kind: 'options'; socket: SocketId; stream: StreamOptions }
  /** An unbound datagram socket; answers a SocketId. Without `service` a private name is made up. */
  | { kind: 'datagram-socket'; service?: ServiceId; bits?: number; security?: SecurityOptions }
  /** A revocation list; answers a Reason (`applyRevocationList`). Registrations that it voids go at once. */
  | { kind: 'revocations'; list: Uint8Array }
  /**
   * On a connected datagram flow `to` is absent. `expects` as in SecurityOptions: the key that `to` must show. Answers 1 if
   * taken; dropped, the reason with a minus; 0 if there is no such socket.
   */
  | { kind: 'datagram'; socket: SocketId; bytes: Uint8Array; to?: ServiceId; expects?: ServiceId }
  /** Static rules of an operator; answers 1 if there was something to change. */
  | { kind: 'rule'; change: RuleChange }
  /** The process ends: names are taken back, flows reset. What is polled after it is the last that can be sent. */
  | { kind: 'shutdown' }
  /** A probe that was asked for has found that no program has the port at `remote` (ECONNREFUSED). */
  | { kind: 'unreachable'; remote: Locator }
  /** The link learned that packets of more than `packetBytes` cannot go to `remote` (EMSGSIZE, ICMP). */
  | { kind: 'too-big'; remote: Locator; packetBytes: number };

/** `set` changes weight and priority of whatever targets match, registered ones included. */
export type RuleChange =
  | { readonly verb: 'add'; readonly prefix: Prefix; readonly target: TargetOptions }
  | {
      readonly verb: 'set';
      readonly prefix: Prefix;
      readonly instance?: FlowId;
      readonly weight?: number;
      readonly priority?: number;
    }
  | { readonly verb: 'remove'; readonly prefix: Prefix; readonly instance?: FlowId };

export type Event =
  /** The name is bound; `registered` tells whether a router holds it (else found ad hoc, or by rules). */
  | { kind: 'listening'; socket: SocketId; registered: boolean }
  /** The first registration failed or the name is taken: the listener is gone. */
  | { kind: 'listen-failed'; socket: SocketId; reason: Reason; detail: string }
  /** An established inbound connection; `connection` is its new SocketId. */
  | {
      kind: 'connection';
      socket: SocketId;
      connection: SocketId;
      service: ServiceId;
      remoteService?: ServiceId;
      peer: PeerProof;
      /** The client can go on at another instance. */
      resumes: boolean;
      /** It goes on for a lost connection: `resumed` follows, and is answered by `resume`, or by `abort`. */
      resuming: boolean;
    }
  | { kind: 'connected'; socket: SocketId; service: ServiceId; peer: PeerProof }
  | { kind: 'data'; socket: SocketId; bytes: Uint8Array }
  /** The peer knows where this end is now. */
  | { kind: 'migrated'; socket: SocketId }
  /** What `import` takes, with the connection's keys: to be sealed at once, and wiped. */
  | { kind: 'exported'; socket: SocketId; state: Uint8Array }
  /** An imported connection stands at rest, and this is what `connection` or `connected` said of it. */
  | {
      kind: 'imported';
      socket: SocketId;
      service: ServiceId;
      remoteService?: ServiceId;
      peer: PeerProof;
      resumes: boolean;
    }
  /** Nobody answered from there; the flow is where it was. */
  | { kind: 'migrate-failed'; socket: SocketId; reason: Reason }
  /** One of several flows works, does not for now, or has left the connection. The first works from `connected` on. */
  | { kind: 'path'; socket: SocketId; path: PathInfo }
  /** `write` would take bytes again. */
  | { kind: 'writable'; socket: SocketId }
  /** The server asks this client to go on at another instance; nothing is broken. Once, and only where `resumes` was given. */
  | { kind: 'shed'; socket: SocketId }
  /** Where the other end of a `resuming` connection stands. */
  | { kind: 'resumed'; socket: SocketId; point: ResumePoint }
  /** The peer ended its side, and that end is authentic. */
  | { kind: 'end'; socket: SocketId }
  /** The socket is gone. OK after an orderly close; otherwise why. Always the last event of a socket. */
  | { kind: 'closed'; socket: SocketId; reason: Reason; detail: string }
  | { kind: 'datagram'; socket: SocketId; bytes: Uint8Array; from: ServiceId | undefined };

/** Caller-owned; `poll` fills it and answers which part counts. */
export interface Output {
  readonly batch: PacketBatch;
  /** Destination of `batch`. `multicastLocator`: every multicast-capable interface. */
  remote: Locator;
  /** Which of the driver's links `batch` leaves by. */
  link: number;
  event: Event;
  /** Absolute time of the next `tick`; Infinity when there is nothing to wait for. Valid after `idle`. */
  deadlineUs: number;
}

/**
 * `transmit`: send `batch` to `remote`. `event`: dispatch `event`. `probe`: find out whether a program has the port at
 * `remote`, from a socket of its own; `unreachable` is given if not, and nothing otherwise. `idle`: nothing left; wait until
 * `deadlineUs`.
 */
export type OutputKind = 'transmit' | 'event' | 'probe' | 'idle';

/** What strangers and peers may make a stack hold. */
export interface Limits {
  /** Half-open connections in all. */
  readonly halfOpen: number;
  /** Up to so many of them, and so many SYNs a second that lead to nothing, no cookie is asked for. */
  readonly halfOpenWithoutCookie: number;
  readonly synsPerSecond: number;
  /** Flows in all, of either end. */
  readonly flows: number;
  /** Accepted connections of one address, or of one IPv6 network of 64 bits. */
  readonly flowsPerPeer: number;
  /** Associations that this stack opened, and as many that others opened. */
  readonly associations: number;
  /** Bytes of stream buffers in all; beyond it nothing more is taken from applications. */
  readonly bufferBytes: number;
  /** A stream whose peer takes nothing of what waits for it, however alive, is given up after this; never by default. */
  readonly stallUs: number;
}

/** Asked for, and granted at most, unless told otherwise. */
export const defaultLeaseUs = 15_000_000;

export interface StackOptions {
  readonly primitives: Primitives;
  /** A router fixed by configuration: no search, no ad hoc mode. */
  readonly router?: Locator;
  /** Where a router may be on this machine (127.0.0.1:54324); solicited beside multicast when `router` is absent. */
  readonly routerCandidates?: readonly Locator[];
  /** Solicit and answer on the local network. */
  readonly adHoc: boolean;
  /** Forward others' first packets: a router. */
  readonly forwarding: boolean;
  /** Accept registrations: an embedded controller. */
  readonly controller: boolean;
  /** Lease asked for (instances) or granted at most (controller). */
  readonly leaseUs: number;
  /** How often the router hears of an instance whose names it holds; 1 s if absent, 0: never. */
  readonly heartbeatUs?: number;
  /** Keys of service systems, and of labels that are pinned. */
  readonly trust?: Trust;
  /** Refuse to send data in the clear, whatever an application asks for. */
  readonly forbidInsecure?: boolean;
  readonly limits?: Partial<Limits>;
  /** Connections on which nothing happened for so long take less memory; 1 s if absent, Infinity: never. */
  readonly restUs?: number;
  /** Controller: take no registration that no key vouches for. */
  readonly requireKeys?: boolean;
  /** Controller: so long after its start an unknown name may only not have registered again yet; a third of `leaseUs` if absent. */
  readonly learningUs?: number;
  /** Whole-packet bound towards `remote` (interface MTU less IP and UDP), by link 0 if `link` is absent. */
  maxPacketBytes(remote: Locator, link?: number): number;
  /**
   * The local address that packets to `remote` leave from now by link 0; undefined: there is no way to it. Absent: unknown,
   * and every change of the machine's addresses counts for every flow.
   */
  sourceOf?(remote: Locator): Uint8Array | undefined;
}

/** An object costs a connection no closure of its own. */
export type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void };

export function tellListener(listener: EventListener, event: Event): void {
  if (typeof listener === 'function') listener(event);
  else listener.handleEvent(event);
}

/** What the sockets layer needs of a driver; `io` and `sim` both give it. */
export interface Driver {
  nowUs(): number;
  /** Passes the input on and sees to it that outputs are polled soon (coalesced within one turn). */
  handle(input: Input): number;
  /** Where the events of a socket go. `connection` events go to the listener's. Removed by `closed`. */
  attach(socket: SocketId, listener: EventListener): void;
  /** Whether a socket keeps the process alive; ref'd on attach. */
  ref(socket: SocketId): void;
  unref(socket: SocketId): void;
  /** Where others reach this stack. Absent: nobody does. */
  locals?(): readonly Locator[];
  /** Whether the router in use answers name queries (ADVERT's DIRECTORY flag). Absent: no. */
  hasDirectory?(): boolean;
  /** Calls back once it is known which router is in use, if any: at once, or when the first search is over. Absent: at once. */
  whenRouterKnown?(callback: () => void): void;
  /**
   * A link at this local address, opened if there is none, link 0 for the unspecified address; answers its number, and the
   * stack knows it then. Rejects with a
   * system error (EADDRNOTAVAIL: not an address of this machine that is in use). Absent: there is link 0 alone.
   */
  openLink?(address: string): Promise<number>;
  /** Flows that are there return to link 0. Links that no flow uses are closed by themselves. */
  closeLink?(link: number): void;
  /** A connection with a `PathPolicy` is to be opened: there is a link at each interface from now on, as long as one lives. */
  useInterfaces?(): void;
  /** Of a connection, in the order of their numbers. Absent: unknown. */
  pathsOf?(socket: SocketId): readonly PathInfo[];
  close(): Promise<void>;
}

/** One line of `caracal flows`; plain JSON. */
export interface FlowInfo {
  /** 0: the flow is half-open, and no socket yet. */
  readonly socket: SocketId;
  readonly protocol: 'stream' | 'datagram';
  readonly role: 'client' | 'server';
  readonly state: string;
  readonly service: string;
  readonly localFlow: string;
  readonly remoteFlow: string;
  readonly remote: string;
  /** The driver's link that it goes by. */
  readonly link: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly retransmits: number;
  /** The other end proved a name. */
  readonly authenticated: boolean;
  readonly encrypted: boolean;
  /** Number of the flow within its connection; 0: the first, which a connection always has. */
  readonly path: number;
  /** What it is to the other flows of its connection; null: there are none. */
  readonly pathRole: PathInfo['role'] | null;
  /** This machine's, where there are several flows; null: there are not, or it is not known. */
  readonly interface: string | null;
  /** Its client can go on at another instance; it was asked to. */
  readonly resumes: boolean;
  readonly shedding: boolean;
  readonly rttUs: number;
  readonly cwndBytes: number;
  readonly packetBytes: number;
}

export type { FlowId, ResumePoint };
