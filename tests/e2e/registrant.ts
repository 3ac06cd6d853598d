// Somebody who registers by hand: control messages made field by field and sent from a UDP socket of its own, so that
// a test can say what no instance would. Keys are made here, as a service's owner would make them.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { makePrefix, type Prefix, type ServiceId } from '../../src/core/base/index.ts';
import {
  type ControlMessage,
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  parseControl,
  signControl,
} from '../../src/core/control/index.ts';
import {
  controlLabel,
  createInstanceKeys,
  type Identity,
  issueCredential,
  labelServiceId,
  selfCertifyingId,
} from '../../src/core/security/index.ts';
import { baseHeaderBytes, emitBase, emitService, serviceBytes } from '../../src/core/wire/index.ts';
import { createPrimitives } from '../../src/io/index.ts';

export const primitives = createPrimitives();

export interface Owner {
  readonly seed: Uint8Array;
  /** The name that its key proves. */
  readonly id: ServiceId;
}

export function makeOwner(): Owner {
  const { signSeed, signKey } = createInstanceKeys(primitives);
  return { seed: signSeed, id: selfCertifyingId(primitives, signKey) };
}

/** A fresh instance of `owner`'s, valid from an hour ago for `validSeconds` from now. */
export function makeIdentity(owner: Owner, name: ServiceId, validSeconds = 3600): Identity {
  const keys = createInstanceKeys(primitives);
  const now = primitives.unixSeconds();
  const credential = issueCredential(primitives, owner.seed, keys, {
    prefix: makePrefix(name, 224),
    notBeforeSeconds: now - 3600,
    notAfterSeconds: now + validSeconds,
  });
  return { ...keys, credential };
}

export interface Claim {
  readonly type?: MessageType;
  readonly prefix: Prefix;
  readonly identity?: Identity;
  readonly sequence: number;
  readonly boot?: number;
}

export class Registrant {
  /** What the router last said to repeat. */
  nonce: Uint8Array = new Uint8Array(16);
  readonly port: number;
  private readonly socket: Socket;
  private readonly routerPort: number;

  private constructor(socket: Socket, routerPort: number) {
    this.socket = socket;
    this.port = socket.address().port;
    this.routerPort = routerPort;
  }

  /** At its own port of 127.0.0.1; `router` is HOST:PORT. */
  static async start(router: string): Promise<Registrant> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Registrant(socket, Number(router.split(':')[1]));
  }

  /** With the nonce that it has. */
  message({ type = MessageType.REGISTER, prefix, identity, sequence, boot = 1 }: Claim): Uint8Array {
    const message: ControlMessage = {
      ...createControlMessage(),
      type,
      transaction: primitives.random.uint32(),
      instance: identity?.instance ?? { hi: 7, lo: 7 },
      boot: { hi: 0, lo: boot },
      sequence,
      protocol: 6,
      prefix,
      weight: 100,
      leaseMs: 60_000,
      nonce: this.nonce,
    };
    if (identity !== undefined) signControl(primitives, message, identity);
    const bytes = new Uint8Array(maxControlBytes);
    return bytes.slice(0, emitControl(message, bytes, 0));
  }

  /** Sends these bytes; the answer. Fails after two seconds without one. */
  async exchange(payload: Uint8Array): Promise<ControlMessage> {
    this.socket.send(packetOf(payload), this.routerPort, '127.0.0.1');
    const [datagram] = (await once(this.socket, 'message', { signal: AbortSignal.timeout(2000) })) as [Buffer];
    const at = (datagram[1] ?? 0) * 4;
    const answer = createControlMessage();
    parseControl(datagram, at, datagram.length - at, answer);
    this.nonce = answer.nonce;
    return answer;
  }

  say(claim: Claim): Promise<ControlMessage> {
    return this.exchange(this.message(claim));
  }

  close(): void {
    this.socket.close();
  }
}

function packetOf(payload: Uint8Array): Uint8Array {
  const headerBytes = baseHeaderBytes + serviceBytes(false);
  const bytes = new Uint8Array(headerBytes + payload.length);
  const view = new DataView(bytes.buffer);
  emitService(view, baseHeaderBytes, labelServiceId(primitives, controlLabel));
  emitBase(view, 0, headerBytes, 17, bytes.length, 0, 0);
  bytes.set(payload, headerBytes);
  return bytes;
}
