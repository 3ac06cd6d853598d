// Key files (docs/keys.md, "Key files"): text with a comment that says what the key is for, mode 0600, and beside each a
// `.pub` file without the private lines, to hand out. A key file that others can read is refused, not warned about: the
// key must be thought known. None is ever overwritten: a lost service key is a lost name. What the file says about the
// key (its public half, its name) is checked against the private half, so that a mixed-up file is found when it is read.

import { existsSync } from 'node:fs';
import {
  type FlowId,
  formatFlowId,
  formatPrefix,
  formatServiceId,
  makePrefix,
  parseServiceId,
  randomBytes,
} from '../core/base/index.ts';
import {
  createInstanceKeys,
  formatShared,
  type InstanceKeys,
  instanceKeys,
  selfCertifyingId,
  systemId,
} from '../core/security/index.ts';
import { fileError, KeysError } from './errors.ts';
import {
  besideFile,
  bodyLines,
  createFile,
  type Malformed,
  malformedIn,
  readTextFile,
  removeQuietly,
} from './files.ts';
import { primitives } from './primitives.ts';

export type KeyKind = 'service' | 'instance' | 'system';

/** Of a service or a service system: signs certificates. */
export interface SigningKey {
  readonly kind: 'service' | 'system';
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Secret. */
  readonly seed: Uint8Array;
}

export interface InstanceKey {
  readonly kind: 'instance';
  readonly keys: InstanceKeys;
}

export type Key = SigningKey | InstanceKey;

/** What a `.pub` file holds. */
export type PublicKey =
  | Pick<SigningKey, 'kind' | 'publicKey'>
  | { readonly kind: 'instance'; readonly keys: Pick<InstanceKeys, 'signKey' | 'staticKey' | 'instance'> };

const fileKind = 'caracal-key';
const code = 'ERR_CARACAL_KEY_FILE';

export function generateKey(kind: KeyKind): Key {
  if (kind === 'instance') return { kind, keys: createInstanceKeys(primitives) };
  for (;;) {
    const seed = randomBytes(primitives.random, 32);
    const publicKey = primitives.ed25519Public(seed);
    if (kind === 'service' || systemId(primitives, publicKey) !== undefined) return { kind, publicKey, seed };
  }
}

/** What a key is called: `svc:ID`, a system's prefix, an instance's id in hexadecimal. */
export function keyName(key: PublicKey): string {
  if (key.kind === 'instance') return formatFlowId(key.keys.instance);
  if (key.kind === 'service') return formatShared({ id: selfCertifyingId(primitives, key.publicKey) });
  const ssId = new Uint8Array(32);
  ssId.set(systemId(primitives, key.publicKey) ?? []);
  return formatPrefix(makePrefix(ssId, 64));
}

/** 52 characters of base32. */
export function keyText(key: Uint8Array): string {
  return formatServiceId(key);
}

/** The reverse of `keyText`; undefined for what is none. */
export function parseKeyText(text: string): Uint8Array | undefined {
  try {
    return parseServiceId(text);
  } catch {
    return undefined;
  }
}

/** Writes FILE (0600) and the `.pub` file beside it (0644), whose path it answers. Throws KeysError if one is there. */
export function writeKeyFiles(path: string, key: Key): string {
  const publicPath = besideFile(path, 'pub');
  for (const taken of [path, publicPath]) if (existsSync(taken)) throw alreadyThere(taken, key.kind);
  create(path, formatKeyFile(key), 0o600, key.kind);
  try {
    create(publicPath, formatPublicKeyFile(key), 0o644, key.kind);
  } catch (error) {
    removeQuietly(path);
    throw error;
  }
  return publicPath;
}

function create(path: string, text: string, mode: number, kind: KeyKind): void {
  try {
    createFile(path, text, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyThere(path, kind);
    throw fileError(code, path, 'write', error);
  }
}

function alreadyThere(path: string, kind: KeyKind): KeysError {
  const why = 'a key that is overwritten is lost, with all that it proves';
  return new KeysError(code, `${path} exists already: ${why}`, `caracal keygen ${kind} --out OTHER.key`);
}

/** Throws KeysError ERR_CARACAL_KEY_FILE: unreadable, malformed, readable by others, a public half only. */
export function readKeyFile(path: string): Key {
  const { text, mode } = readTextFile(path, code, 'caracal keygen --help');
  const malformed = malformedIn(code, path);
  const fields = parseFields(text, malformed);
  if (!fields.has('private'))
    throw new KeysError(code, `${path} holds no private key`, `the file that "caracal keygen" wrote with it`);
  refuseReadable(path, mode);
  return privateKey(fields, malformed);
}

/** From a `.pub` file, or from a key file. Throws KeysError ERR_CARACAL_KEY_FILE. */
export function readPublicKeyFile(path: string): PublicKey {
  const { text, mode } = readTextFile(path, code, 'caracal keygen --help');
  const malformed = malformedIn(code, path);
  const fields = parseFields(text, malformed);
  if (fields.has('private')) refuseReadable(path, mode);
  return publicKey(fields, malformed);
}

/** Whether a text is a key file that holds a secret, malformed or not: what doctor looks for. */
export function isPrivateKeyText(text: string): boolean {
  return new RegExp(`^${fileKind} \\d+$`, 'm').test(text) && /^private:/m.test(text);
}

/** Windows has no such bits. */
export function isReadableByOthers(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

function refuseReadable(path: string, mode: number): void {
  if (!isReadableByOthers(mode)) return;
  const octal = mode.toString(8).padStart(4, '0');
  throw new KeysError(
    code,
    `${path} can be read by others (mode ${octal}), a private key must not`,
    `chmod 600 ${path}`,
  );
}

const purposes: Record<KeyKind, string> = {
  service: 'It signs certificates for the instances of its service; it need not be on their machines.',
  instance: 'It stays on the machine of the instance, which proves with it and its certificate whose it is.',
  system: 'It signs certificates for all services of its system; keep it offline.',
};

export function formatKeyFile(key: Key): string {
  const secrets: [string, string][] =
    key.kind === 'instance'
      ? [
          ['private', keyText(key.keys.signSeed)],
          ['static-private', keyText(key.keys.staticScalar)],
        ]
      : [['private', keyText(key.seed)]];
  return format(`Caracal ${key.kind} key, secret. ${purposes[key.kind]}`, [...publicFields(key), ...secrets]);
}

export function formatPublicKeyFile(key: PublicKey): string {
  return format(`Caracal ${key.kind} key, the public half: to hand out.`, publicFields(key));
}

function format(comment: string, fields: readonly (readonly [string, string])[]): string {
  return `# ${comment}\n${fileKind} 1\n${fields.map(([name, value]) => `${name}: ${value}\n`).join('')}`;
}

function publicFields(key: PublicKey): [string, string][] {
  const name: [string, string] = [key.kind === 'instance' ? 'instance' : 'name', keyName(key)];
  if (key.kind !== 'instance') return [['kind', key.kind], name, ['public', keyText(key.publicKey)]];
  const { signKey, staticKey } = key.keys;
  return [['kind', key.kind], name, ['public', keyText(signKey)], ['static-public', keyText(staticKey)]];
}

interface Field {
  readonly line: number;
  readonly value: string;
}

const fieldNames = ['kind', 'name', 'instance', 'public', 'static-public', 'private', 'static-private'];

function parseFields(text: string, malformed: Malformed): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const { number, text: line } of bodyLines(text, fileKind, malformed)) {
    const [, name = '', value = ''] = /^([a-z-]+):\s*(\S+)$/.exec(line) ?? [];
    if (!fieldNames.includes(name)) throw malformed(number, 'this is no line of a key file ("public: ...")');
    if (fields.has(name)) throw malformed(number, `"${name}" stands there twice`);
    fields.set(name, { line: number, value });
  }
  return fields;
}

function publicKey(fields: Map<string, Field>, malformed: Malformed): PublicKey {
  const { kind } = kindOf(fields, malformed);
  const signKey = keyField(fields, 'public', malformed);
  const key: PublicKey =
    kind === 'instance'
      ? {
          kind,
          keys: {
            signKey,
            staticKey: keyField(fields, 'static-public', malformed),
            instance: instanceField(fields, malformed),
          },
        }
      : { kind, publicKey: signKey };
  const name = fields.get(kind === 'instance' ? 'instance' : 'name');
  if (name?.value !== keyName(key)) throw malformed(name?.line ?? 1, 'the name is not the one of this public key');
  return key;
}

function privateKey(fields: Map<string, Field>, malformed: Malformed): Key {
  const stated = publicKey(fields, malformed);
  const seed = keyField(fields, 'private', malformed);
  const key: Key =
    stated.kind === 'instance'
      ? {
          kind: 'instance',
          keys: instanceKeys(primitives, seed, keyField(fields, 'static-private', malformed), stated.keys.instance),
        }
      : { kind: stated.kind, publicKey: primitives.ed25519Public(seed), seed };
  if (formatPublicKeyFile(key) !== formatPublicKeyFile(stated))
    throw malformed(fields.get('private')?.line ?? 1, 'the private key is not the one of the public key');
  return key;
}

function kindOf(fields: Map<string, Field>, malformed: Malformed): { kind: KeyKind } {
  const field = fields.get('kind');
  const kind = (['service', 'instance', 'system'] as const).find((known) => known === field?.value);
  if (kind === undefined) throw malformed(field?.line ?? 1, '"kind" is service, instance or system');
  return { kind };
}

function keyField(fields: Map<string, Field>, name: string, malformed: Malformed): Uint8Array {
  const field = fields.get(name);
  const key = field && parseKeyText(field.value);
  if (key === undefined) throw malformed(field?.line ?? 1, `"${name}" is a key of 52 base32 characters`);
  return key;
}

function instanceField(fields: Map<string, Field>, malformed: Malformed): FlowId {
  const field = fields.get('instance');
  if (!/^(?!0{16})[0-9a-f]{16}$/.test(field?.value ?? ''))
    throw malformed(field?.line ?? 1, '"instance" is an id of 16 hexadecimal digits');
  const digits = field?.value ?? '';
  return { hi: Number.parseInt(digits.slice(0, 8), 16), lo: Number.parseInt(digits.slice(8), 16) };
}
