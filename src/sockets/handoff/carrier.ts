// How connections travel to another process. On this machine: by a Unix socket, which the file system gives to this user
// alone. From anywhere: by Caracal, to a name beside the service's own, between two ends that both prove the service's key. There is no third way:
// who is handed a connection reads it, and who hands one over says who its peer is. A label without a key proves
// nothing, so it has the first way alone.

import { once } from 'node:events';
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { createServer as createNetServer, connect as netConnect } from 'node:net';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Prefix, prefixContains, sameBytes } from '../../core/base/index.ts';
import { memberServiceId, parseCredential } from '../../core/security/index.ts';
import type { Driver, PeerProof, SecurityOptions } from '../../core/stack/index.ts';
import { handoffError, misuse } from '../errors.ts';
import type { Server, ServerOptions } from '../server.ts';
import { Socket } from '../socket.ts';

/** Whose connections travel. */
export interface Traveller {
  readonly driver: Driver;
  readonly security: SecurityOptions;
  readonly prefix: Prefix;
  /** The service, for people. */
  readonly text: string;
  /** A server that is not listening yet. */
  createServer(options: ServerOptions, listener: (socket: Socket) => void): Server;
}

export interface Receiver {
  close(): void;
}

/** Of the service's members the last but one: its certificate covers it. */
const receiverMember = 2 ** 32 - 2;
const dialMs = 5_000;

/** Takes channels at a path, or with `true` from whoever proves the same key. Rejects with what listening fails with. */
export function openReceiver(at: string | true, whose: Traveller, take: (stream: Duplex) => void): Promise<Receiver> {
  return at === true ? listenByName(whose, take) : listenAtPath(at, take);
}

/** A channel to the process that takes over at a path, or to another instance of the service. */
export function dialReceiver(to: string | undefined, whose: Traveller): Promise<Duplex> {
  return to === undefined ? dialByName(whose) : dialPath(to);
}

/** Bound where nobody else can reach it, then moved to its place: whoever had the place before keeps what he has. */
async function listenAtPath(path: string, take: (stream: Duplex) => void): Promise<Receiver> {
  const there = statOf(path);
  if (there !== undefined && !there.isSocket())
    throw handoffError('EEXIST', path, 'refused', 'this is a file, and no socket', 'another path');
  const server = createNetServer(take);
  const folder = mkdtempSync(join(dirname(path), '.handoff-'));
  const made = join(folder, 'socket');
  try {
    server.listen(made);
    await once(server, 'listening');
    chmodSync(made, 0o600);
    renameSync(made, path);
  } catch (error) {
    server.close();
    throw error;
  } finally {
    rmdirSync(folder);
  }
  server.unref();
  const own = statOf(path);
  return {
    close() {
      server.close();
      // By then it may be the next process's.
      if (own !== undefined && statOf(path)?.ino === own.ino) unlinkSync(path);
    },
  };
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

async function dialPath(path: string): Promise<Duplex> {
  const uid = process.getuid?.();
  const there = statOf(path);
  if (there === undefined) throw nobodyAt(path);
  if (!there.isSocket() || (uid !== undefined && there.uid !== uid && there.uid !== 0))
    throw handoffError('EACCES', path, 'not-authorized', 'this is not a socket of this user', `ls -l ${path}`);
  const socket = netConnect({ path, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') throw nobodyAt(path);
    throw error;
  }
  return socket;
}

function nobodyAt(path: string): Error {
  const next = 'start the process that takes over first';
  return handoffError('ECONNREFUSED', path, 'no-such-service', 'nobody takes connections over here', next);
}

async function listenByName(whose: Traveller, take: (stream: Duplex) => void): Promise<Receiver> {
  const { driver, security } = whose;
  rootKeyOf(whose);
  const server = whose.createServer({ driver, ...security, requireKey: true, allowHalfOpen: true }, (socket) => {
    if (isSame(whose, socket.peer)) take(socket);
    else socket.resetAndDestroy();
  });
  server.unref().listen({ service: memberServiceId(whose.prefix.id, receiverMember) });
  await once(server, 'listening');
  server.on('error', () => {});
  return { close: () => void server.close() };
}

async function dialByName(whose: Traveller): Promise<Duplex> {
  const { driver, security, text } = whose;
  rootKeyOf(whose);
  const service = memberServiceId(whose.prefix.id, receiverMember);
  const socket = new Socket({ driver, ...security, allowHalfOpen: true }).connect({ service, connectTimeout: dialMs });
  await once(socket, 'connect');
  if (isSame(whose, socket.peer)) return socket;
  socket.resetAndDestroy();
  throw handoffError('EACCES', text, 'untrusted', 'who takes over there does not prove the same key', 'caracal verify');
}

/** Throws ERR_MISSING_ARGS: it proves no name. */
function rootKeyOf({ security, text }: Traveller): Uint8Array {
  const root = security.identity && parseCredential(security.identity.credential)?.[0]?.issuerKey;
  if (root !== undefined) return root;
  const how = 'give the server an identity, or hand over by a path';
  throw misuse('ERR_MISSING_ARGS', `svc://${text} proves no name, so nobody can be handed its connections: ${how}`);
}

/** The other end's key is ours, and it may serve what we serve. */
function isSame(whose: Traveller, peer: PeerProof | undefined): boolean {
  if (peer?.rootKey === undefined || peer.prefix === undefined) return false;
  return sameBytes(peer.rootKey, rootKeyOf(whose)) && prefixContains(peer.prefix, whose.prefix.id);
}
