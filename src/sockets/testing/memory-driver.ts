// A driver without a network, for tests of the sockets layer alone: it joins sockets by service inside one process,
// with small windows, so that back-pressure happens early. Events come one turn later, in order, as a real driver's do.

import { formatServiceId, type Prefix, prefixContains, Reason, type ServiceId } from '../../core/base/index.ts';
import {
  type Driver,
  type Event,
  type EventListener,
  type Input,
  Protocol,
  type SocketId,
  tellListener,
} from '../../core/stack/index.ts';

/** Where links can be opened: 1, whose peer answers there; 2, where nobody answers; 3, of the wrong IP version; 4, silence. */
export const linkAddresses = ['192.0.2.1', '192.0.2.2', '2001:db8::3', '192.0.2.4'];

/** First byte of names to which nothing may be sent in the clear. */
export const distantSystem = 0xff;

interface Endpoint {
  readonly id: SocketId;
  readonly kind: 'listener' | 'stream' | 'datagram' | 'flow';
  readonly protocol: number;
  prefix: Prefix | undefined;
  peer: Endpoint | undefined;
  connected: boolean;
  inbox: Uint8Array[];
  inboxBytes: number;
  creditBytes: number;
  peerEnded: boolean;
  endDelivered: boolean;
  ended: boolean;
  blocked: boolean;
  closed: boolean;
  /** The client can go on elsewhere; it was asked to. */
  resumes: boolean;
  shedding: boolean;
}

export interface MemoryDriver extends Driver {
  readonly inputs: Input[];
  /** Sockets that are not closed. */
  readonly openSockets: number;
}

export function createMemoryDriver(windowBytes = 32 * 1024): MemoryDriver {
  const endpoints = new Map<SocketId, Endpoint>();
  const listeners = new Map<SocketId, EventListener>();
  const refs = new Set<SocketId>();
  const inputs: Input[] = [];
  const queue: Event[] = [];
  let lastId = 0;
  let scheduled = false;
  let keepAlive: NodeJS.Timeout | undefined;

  const update = (): void => {
    clearInterval(keepAlive);
    keepAlive = refs.size > 0 ? setInterval(() => {}, 2 ** 30) : undefined;
  };
  const emit = (event: Event): void => {
    queue.push(event);
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      for (const each of queue.splice(0)) {
        const listener = listeners.get(each.socket);
        if (listener !== undefined) tellListener(listener, each);
        if (each.kind !== 'closed') continue;
        listeners.delete(each.socket);
        refs.delete(each.socket);
      }
      update();
    });
  };
  const add = (kind: Endpoint['kind'], protocol: number, prefix?: Prefix): Endpoint => {
    const endpoint: Endpoint = {
      id: ++lastId,
      kind,
      protocol,
      prefix,
      peer: undefined,
      connected: false,
      inbox: [],
      inboxBytes: 0,
      creditBytes: 0,
      peerEnded: false,
      endDelivered: false,
      ended: false,
      blocked: false,
      closed: false,
      resumes: false,
      shedding: false,
    };
    endpoints.set(endpoint.id, endpoint);
    return endpoint;
  };
  const finish = (endpoint: Endpoint, reason: Reason, detail = ''): void => {
    if (endpoint.closed) return;
    endpoint.closed = true;
    endpoints.delete(endpoint.id);
    emit({ kind: 'closed', socket: endpoint.id, reason, detail });
  };
  const find = (kinds: readonly Endpoint['kind'][], protocol: number, service: ServiceId): Endpoint | undefined => {
    let best: Endpoint | undefined;
    for (const each of endpoints.values()) {
      if (!kinds.includes(each.kind) || each.protocol !== protocol || !each.prefix) continue;
      if (prefixContains(each.prefix, service) && each.prefix.bits >= (best?.prefix?.bits ?? 0)) best = each;
    }
    return best;
  };
  const deliver = (endpoint: Endpoint): void => {
    while (endpoint.creditBytes > 0 && endpoint.inbox.length > 0) {
      const bytes = endpoint.inbox.shift()!;
      endpoint.creditBytes -= bytes.length;
      endpoint.inboxBytes -= bytes.length;
      emit({ kind: 'data', socket: endpoint.id, bytes });
    }
    const { peer } = endpoint;
    if (peer?.blocked && endpoint.inboxBytes < windowBytes / 2) {
      peer.blocked = false;
      emit({ kind: 'writable', socket: peer.id });
    }
    if (!endpoint.peerEnded || endpoint.inbox.length > 0) return;
    if (!endpoint.endDelivered) emit({ kind: 'end', socket: endpoint.id });
    endpoint.endDelivered = true;
    if (!endpoint.ended || !peer?.endDelivered) return;
    finish(endpoint, Reason.OK);
    finish(peer, Reason.OK);
  };
  const write = (endpoint: Endpoint, bytes: Uint8Array, offset: number): number => {
    const { peer } = endpoint;
    if (!peer || endpoint.closed || endpoint.ended) return 0;
    const taken = Math.min(bytes.length - offset, Math.max(0, windowBytes - peer.inboxBytes));
    for (let at = 0; at < taken; at += 16384)
      // A copy, as the stack's records are: a Buffer's slice is none.
      peer.inbox.push(new Uint8Array(bytes.subarray(offset + at, offset + Math.min(taken, at + 16384))));
    peer.inboxBytes += taken;
    if (offset + taken < bytes.length) endpoint.blocked = true;
    deliver(peer);
    return taken;
  };
  const connect = (service: ServiceId, protocol: number, resumes: boolean, resuming: boolean): SocketId => {
    const client = add(protocol === Protocol.TCP ? 'stream' : 'flow', protocol);
    const listener = find(['listener'], protocol, service);
    if (!listener) {
      finish(client, Reason.NO_SUCH_SERVICE);
      return client.id;
    }
    const server = add(client.kind, protocol);
    client.peer = server;
    server.peer = client;
    server.resumes = resumes;
    const peer = {
      authenticated: false,
      rootKey: undefined,
      prefix: undefined,
      encrypted: false,
      near: 'host',
    } as const;
    emit({ kind: 'connected', socket: client.id, service, peer });
    emit({ kind: 'connection', socket: listener.id, connection: server.id, service, peer, resumes, resuming });
    return client.id;
  };
  const listen = (prefix: Prefix, protocol: number): SocketId => {
    const listener = add('listener', protocol, prefix);
    const other = [...endpoints.values()].find(
      (each) =>
        each !== listener &&
        each.kind === 'listener' &&
        each.protocol === protocol &&
        each.prefix?.bits === prefix.bits &&
        formatServiceId(each.prefix.id) === formatServiceId(prefix.id),
    );
    if (other) {
      endpoints.delete(listener.id);
      emit({ kind: 'listen-failed', socket: listener.id, reason: Reason.DUPLICATE, detail: '' });
      emit({ kind: 'closed', socket: listener.id, reason: Reason.DUPLICATE, detail: '' });
    } else emit({ kind: 'listening', socket: listener.id, registered: false });
    return listener.id;
  };
  const sendDatagram = (endpoint: Endpoint, bytes: Uint8Array, to: ServiceId | undefined): number => {
    const target = to ? find(['datagram'], Protocol.UDP, to) : endpoint.peer;
    if (bytes.length > 1200) return -Reason.LIMIT;
    if (to && to[0] === distantSystem) return -Reason.UNTRUSTED;
    if (target) emit({ kind: 'datagram', socket: target.id, bytes: bytes.slice(), from: endpoint.prefix?.id });
    return 1;
  };
  const abort = (endpoint: Endpoint, reason: Reason = Reason.ABORTED): void => {
    finish(endpoint, reason);
    if (endpoint.peer) finish(endpoint.peer, reason);
  };
  const shed = (endpoint: Endpoint): number => {
    if (endpoint.kind === 'listener') return 1;
    if (!endpoint.resumes || endpoint.shedding || !endpoint.peer) return 0;
    endpoint.shedding = true;
    emit({ kind: 'shed', socket: endpoint.peer.id });
    return 1;
  };
  const randomService = (): ServiceId => {
    const id = new Uint8Array(32) as ServiceId;
    new DataView(id.buffer).setUint32(10, ++lastId);
    return id;
  };
  const migrate = (endpoint: Endpoint, link: number): number => {
    if (endpoint.kind !== 'stream' || link === 3) return 0;
    if (link < 2) emit({ kind: 'migrated', socket: endpoint.id });
    if (link === 2) emit({ kind: 'migrate-failed', socket: endpoint.id, reason: Reason.TIMED_OUT });
    return 1;
  };
  const onSocket = (input: Extract<Input, { socket: SocketId }>): number => {
    const endpoint = endpoints.get(input.socket);
    if (!endpoint) return 0;
    switch (input.kind) {
      case 'write':
        return write(endpoint, input.bytes, input.offset);
      case 'read':
        endpoint.creditBytes = Math.max(0, endpoint.creditBytes) + input.bytes;
        deliver(endpoint);
        return 0;
      case 'end':
        endpoint.ended = true;
        if (endpoint.peer) endpoint.peer.peerEnded = true;
        if (endpoint.peer) deliver(endpoint.peer);
        deliver(endpoint);
        return 0;
      case 'abort':
        abort(endpoint, input.reason);
        return 0;
      case 'resume':
        if (endpoint.peer) emit({ kind: 'resumed', socket: endpoint.peer.id, point: input.point });
        return 1;
      case 'shed':
        return shed(endpoint);
      case 'migrate':
        return migrate(endpoint, input.link ?? 0);
      case 'close':
        if (endpoint.peer) finish(endpoint.peer, Reason.OK);
        finish(endpoint, Reason.OK);
        return 0;
      case 'datagram':
        return sendDatagram(endpoint, input.bytes, input.to);
      default:
        return 0;
    }
  };
  const handle = (input: Input): number => {
    inputs.push(input);
    switch (input.kind) {
      case 'listen':
        return listen({ id: input.service, bits: input.bits }, input.protocol);
      case 'connect':
        return connect(input.service, input.protocol, input.resumes === true, input.resuming === true);
      case 'datagram-socket':
        return add('datagram', Protocol.UDP, { id: input.service ?? randomService(), bits: input.bits ?? 256 }).id;
      default:
        return 'socket' in input ? onSocket(input) : 0;
    }
  };
  return {
    inputs,
    get openSockets() {
      return endpoints.size;
    },
    nowUs: () => performance.now() * 1000,
    handle,
    attach(socket, listener) {
      listeners.set(socket, listener);
      refs.add(socket);
      update();
    },
    ref(socket) {
      refs.add(socket);
      update();
    },
    unref(socket) {
      refs.delete(socket);
      update();
    },
    async openLink(address) {
      const link = linkAddresses.indexOf(address) + 1;
      if (link > 0 || address === '::') return link;
      throw Object.assign(new Error('bind EADDRNOTAVAIL'), { code: 'EADDRNOTAVAIL' });
    },
    async close() {
      for (const endpoint of [...endpoints.values()]) finish(endpoint, Reason.CLOSED);
    },
  };
}
