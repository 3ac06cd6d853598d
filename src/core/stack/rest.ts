// Connections on which nothing has happened for a second are put to rest: their records, some 6 KB of objects and numbers,
// become a row of about 200 bytes that holds what distinguishes one from the others. Whatever concerns one wakes it: a
// packet, the application, its keep-alive; then it is as it was. So an idle connection costs little, and one that works
// costs no more for it: the data path knows nothing of rows. Invariant: of a flow at rest nothing but the flow table, the
// socket table and the timer queue knows. Accessors over columns of numbers were rejected: every field of the hot
// path would have gone through them, and a connection would have held the columns of all its counters, idle or not.

import type { ServiceId } from '../base/index.ts';
import { createRecordCipher, createRecordReader, createRecordWriter, nullCipher } from '../security/index.ts';
import {
  addRow,
  createRowStore,
  createTemplate,
  deadlineOf,
  flowEntries,
  freeRow,
  packRecord,
  type RowStore,
  replace,
  rowOffset,
  rowPage,
  schedule,
  type Template,
  unpackRecord,
} from '../tables/index.ts';
import { type CongestionName, shrink, startTcb, type Tcb } from '../transport/index.ts';
import { adoptPath } from './path-cache.ts';
import { mayRest } from './quiet.ts';
import { makeConnection, timerHandle } from './sockets.ts';
import type { Connection, StackState } from './state.ts';
import { transportOptions } from './transports.ts';
import { Protocol, type SocketId } from './types.ts';

export interface Resting {
  readonly kind: 'resting';
  readonly socket: SocketId;
  readonly template: Template<Connection>;
  readonly row: number;
  /** What it refers to and a row cannot hold. */
  readonly others: readonly unknown[];
}

/** What is kept of connections at rest. */
export interface Rest {
  readonly rows: RowStore;
  /** By what makes the shape of a connection, and by what most of its values follow from. */
  readonly templates: Map<string, Template<Connection>>;
}

export const defaultRestUs = 1_000_000;

export function createRest(): Rest {
  return { rows: createRowStore(), templates: new Map() };
}

/** False: it cannot be now. */
export function putToRest(stack: StackState, connection: Connection): boolean {
  const { tcb, socket, localFlow } = connection;
  if (!mayRest(connection) || tcb === undefined) return false;
  const { rest, flows, sockets } = stack;
  shrink(tcb);
  const template = templateOf(stack, connection, tcb);
  const packed = packRecord(template, connection);
  if (packed === undefined) return false;
  const { bytes, length, others } = packed;
  const resting: Resting = { kind: 'resting', socket, template, row: addRow(rest.rows, bytes, length), others };
  replace(flows, localFlow, resting);
  sockets.set(socket, resting);
  return true;
}

/** It is a connection like others again, and rests once more if nothing comes of it. */
export function wake(stack: StackState, resting: Resting): Connection {
  const { flows, sockets, timers, rest, nowUs } = stack;
  const connection = peek(stack, resting);
  freeRow(rest.rows, resting.row);
  replace(flows, connection.localFlow, connection);
  sockets.set(connection.socket, connection);
  adoptPath(stack, connection);
  const handle = timerHandle(stack, connection);
  schedule(timers, handle, Math.min(deadlineOf(timers, handle), nowUs + stack.restUs));
  return connection;
}

/** A copy to look at. */
export function peek({ rest }: StackState, { template, row, others }: Resting): Connection {
  return unpackRecord(template, rowPage(rest.rows, row), rowOffset(row), others);
}

/** The connection of this socket, awake. */
export function findConnection(stack: StackState, id: SocketId): Connection | undefined {
  const socket = stack.sockets.get(id);
  if (socket?.kind === 'resting') return wake(stack, socket);
  return socket?.kind === 'connection' ? socket : undefined;
}

/** Flows that are more than half open; all are awake then. */
export function connectionsOf(stack: StackState): Connection[] {
  const found: Connection[] = [];
  for (const flow of flowEntries(stack.flows)) {
    if (flow.kind === 'connection') found.push(flow);
    else if (flow.kind === 'resting') found.push(wake(stack, flow));
  }
  return found;
}

/** The same without those at rest: they hold nothing, owe nothing and have one path, by link 0. */
export function awakeOf({ flows }: StackState): Connection[] {
  const found: Connection[] = [];
  for (const flow of flowEntries(flows)) if (flow.kind === 'connection') found.push(flow);
  return found;
}

function templateOf(stack: StackState, { role, peerProof }: Connection, { options }: Tcb): Template<Connection> {
  const { templates } = stack.rest;
  const sealed = peerProof?.encrypted !== false;
  const { congestion = 'cubic' } = options;
  const key = `${role} ${sealed} ${congestion}`;
  const known = templates.get(key);
  if (known !== undefined) return known;
  const template = createTemplate(() => blankConnection(stack, sealed, congestion));
  templates.set(key, template);
  return template;
}

const noService = new Uint8Array(32) as ServiceId;
const noStream = {};
const noSecurity = {};
const start = { iss: 0, tsOffset: 0 };
const noRandom = { uint32: () => 0 };

/** An open connection of nobody, with all that is part of one. */
export function blankConnection(stack: StackState, sealed: boolean, congestion: CongestionName): Connection {
  const noId = () => ({ hi: 0, lo: 0 });
  const { aead } = stack.options.primitives;
  const cipher = () => (sealed ? createRecordCipher(aead, -1) : nullCipher);
  const connection = makeConnection(0, noId(), noId(), {
    protocol: Protocol.TCP,
    role: 'server',
    service: noService,
    sourceService: undefined,
    listener: 0,
    stream: noStream,
    security: noSecurity,
    via: undefined,
    resumes: false,
  });
  connection.remoteFlow = noId();
  connection.remoteNonce = noId();
  connection.peer = { address: new Uint8Array(4), port: 0 };
  connection.peerProof = {
    authenticated: false,
    rootKey: undefined,
    prefix: undefined,
    encrypted: sealed,
    near: 'host',
  };
  connection.keys = { sealKey: -1, openKey: -1, tagKey: -1, verifyKey: -1, tagEpoch: 0, verifyEpoch: 0 };
  connection.tcb = startTcb(start, transportOptions(stack, { congestion }, 0), stack.blocks, noRandom);
  connection.writer = createRecordWriter(cipher());
  connection.reader = createRecordReader(cipher());
  return connection;
}
