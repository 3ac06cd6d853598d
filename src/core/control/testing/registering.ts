// What the tests of registration share: a registry with real cryptography and a clock of its own, identities for names,
// and REGISTER and UNREGISTER messages as an instance would make them, signed or not.

import { createCrypto } from '../../../crypto/index.ts';
import {
  type FlowId,
  type Locator,
  makePrefix,
  type Prefix,
  Reason,
  reasonName,
  type ServiceId,
  seededRandom,
} from '../../base/index.ts';
import {
  bindIdentity,
  createCredentialCache,
  createInstanceKeys,
  createRevocations,
  createTrust,
  type Grant,
  type Identity,
  issueCredential,
  labelServiceId,
  selfCertifyingId,
} from '../../security/index.ts';
import { createServiceTable, type ServiceTable } from '../../tables/index.ts';
import {
  type ControlMessage,
  createControlMessage,
  emitControl,
  MessageType,
  maxControlBytes,
  parseControl,
  signControl,
} from '../messages.ts';
import { nonceFor } from '../nonce.ts';
import {
  createRegistry,
  handleHeartbeat,
  handleRegister,
  handleUnregister,
  type Registry,
  type RegistryOptions,
} from '../registry.ts';

export const tcp = 6;
export const second = 1_000_000;
export const startSeconds = 1_800_000_000;

/** The calendar stands still unless a test moves it. */
export const calendar = { seconds: startSeconds };
export const primitives = { ...createCrypto(), random: seededRandom(30), unixSeconds: () => calendar.seconds };

export function at(last: number, port = 7000): Locator {
  return { address: Uint8Array.of(10, 0, 0, last), port };
}

/** An address of the public internet. */
export function faraway(last: number, port = 7000): Locator {
  return { address: Uint8Array.of(203, 0, 113, last), port };
}

export interface Owner {
  readonly seed: Uint8Array;
  /** Of its public key. */
  readonly id: ServiceId;
}

export function owner(number: number): Owner {
  const seed = new Uint8Array(32).fill(number);
  return { seed, id: selfCertifyingId(primitives, primitives.ed25519Public(seed)) };
}

export function labelPrefix(label: string, bits = 224): Prefix {
  return makePrefix(labelServiceId(primitives, label), bits);
}

/** A fresh instance whose credential is signed by `issuer`, valid for an hour. */
export function identityFor(issuer: Owner, prefix: Prefix, grant: Partial<Grant> = {}): Identity {
  const keys = createInstanceKeys(primitives);
  return renewed(issuer, { ...keys, credential: new Uint8Array(0) }, prefix, grant);
}

/** The same instance with another credential. */
export function renewed(issuer: Owner, identity: Identity, prefix: Prefix, grant: Partial<Grant> = {}): Identity {
  const times = { notBeforeSeconds: startSeconds - 60, notAfterSeconds: startSeconds + 3600 };
  const credential = issueCredential(primitives, issuer.seed, identity, { prefix, ...times, ...grant });
  const bound = bindIdentity(identity, credential);
  if (bound === undefined) throw new Error('the credential is for other keys');
  return bound;
}

export interface Ground {
  readonly registry: Registry;
  readonly table: ServiceTable;
}

export function setUp(options: Partial<RegistryOptions> = {}): Ground {
  const table = createServiceTable();
  const registry = createRegistry({
    primitives,
    table,
    boot: { hi: 0xb0, lo: 0x07 },
    leaseUs: 5 * second,
    trust: createTrust(),
    credentials: createCredentialCache(),
    revocations: createRevocations(),
    ...options,
  });
  return { registry, table };
}

export interface Said {
  /** Signs, unless `unsigned`; its instance registers. */
  readonly identity?: Identity;
  readonly instance?: FlowId;
  readonly boot?: number;
  readonly sequence: number;
  readonly prefix?: Prefix;
  readonly weight?: number;
  readonly priority?: number;
  readonly leaseMs?: number;
  readonly nonce?: Uint8Array;
}

/** As it would leave the instance with the nonce that the router last gave it. */
export function messageOf(type: MessageType, said: Said, nonce: Uint8Array): ControlMessage {
  const { identity, sequence } = said;
  const message: ControlMessage = {
    ...createControlMessage(),
    type,
    transaction: sequence + 1000,
    instance: said.instance ?? identity?.instance ?? { hi: 0, lo: 1 },
    boot: { hi: 0, lo: said.boot ?? 1 },
    sequence,
    protocol: tcp,
    prefix: said.prefix ?? labelPrefix('web'),
    weight: said.weight ?? 100,
    priority: said.priority ?? 0,
    leaseMs: said.leaseMs ?? 5000,
    nonce,
  };
  if (identity !== undefined) signControl(primitives, message, identity);
  return message;
}

/** REGISTER, UNREGISTER or HEARTBEAT that comes from `from` over the wire: the answer. */
export function deliver(registry: Registry, nowUs: number, sent: ControlMessage, from: Locator): ControlMessage {
  const reply = deliverBytes(registry, nowUs, bytesOf(sent), from);
  if (typeof reply === 'number') throw new Error(`the message does not survive the wire: ${reasonName(reply)}`);
  return reply;
}

export function bytesOf(message: ControlMessage): Uint8Array {
  const bytes = new Uint8Array(maxControlBytes);
  return bytes.slice(0, emitControl(message, bytes, 0));
}

/** The answer, or why the bytes are no message. */
export function deliverBytes(
  registry: Registry,
  nowUs: number,
  bytes: Uint8Array,
  from: Locator,
): ControlMessage | Reason {
  const message = createControlMessage();
  const verdict = parseControl(bytes, 0, bytes.length, message);
  if (verdict !== Reason.OK) return verdict;
  const reply = createControlMessage();
  const handle = handlers[message.type] ?? handleUnregister;
  handle(registry, message, from, nowUs, reply);
  return reply;
}

const handlers: Partial<Record<MessageType, typeof handleRegister>> = {
  [MessageType.REGISTER]: handleRegister,
  [MessageType.HEARTBEAT]: handleHeartbeat,
};

export function register(registry: Registry, nowUs: number, said: Said, from = at(1)): ControlMessage {
  const nonce = said.nonce ?? nonceFor(registry.nonces, from, nowUs);
  return deliver(registry, nowUs, messageOf(MessageType.REGISTER, said, nonce), from);
}

export function unregister(registry: Registry, nowUs: number, said: Said, from = at(1)): ControlMessage {
  const nonce = said.nonce ?? nonceFor(registry.nonces, from, nowUs);
  return deliver(registry, nowUs, messageOf(MessageType.UNREGISTER, said, nonce), from);
}

export function registerReason(registry: Registry, nowUs: number, said: Said, from = at(1)): Reason {
  return register(registry, nowUs, said, from).reason;
}
