// What an application says about keys, turned into what the stack asks for; and what the stack learned about the other
// end, turned into what the application should know. Keys of labels are pinned at their first use (docs/security.md): from
// then on another key is refused. Whoever talks to a label that nothing vouches for, or in the clear, is told once, loudly.

import {
  formatServiceId,
  type Prefix,
  parseServiceId,
  prefixContains,
  Reason,
  type ServiceId,
} from '../core/base/index.ts';
import { type Identity, memberServiceId, nameKind, parseCredential, selfCertifyingId } from '../core/security/index.ts';
import type { SecurityOptions as CoreOptions, PeerProof } from '../core/stack/index.ts';
import { currentTrust, loadIdentity, pinOnFirstUse, primitives, watchIdentity } from '../keys/index.ts';
import { misuse, serviceError } from './errors.ts';
import type { Target } from './names.ts';

/** Options of sockets, servers and agents. */
export interface SecurityOptions {
  /** Who this end is: an identity, or the path of an instance key whose certificate stands beside it. */
  readonly identity?: Identity | string | undefined;
  /** Data in the clear, if the other end wants that too; both ends are still authenticated. */
  readonly insecure?: boolean | undefined;
  /** Clients: take a label's word for it from anywhere, not only on this machine and private networks. */
  readonly unauthenticated?: boolean | undefined;
  /** Fill records up to a multiple of so many bytes, to hide how long messages are. */
  readonly paddingBytes?: number | undefined;
}

/** Set, nobody in this process may ask for data in the clear. */
const forbidVariable = 'CARACAL_FORBID_INSECURE';

export function isInsecureForbidden(): boolean {
  const value = process.env[forbidVariable];
  return value !== undefined && value !== '' && value !== '0';
}

/** Checks the options. Throws what `loadIdentity` throws, and ERR_CARACAL_INSECURE_FORBIDDEN. */
export function readSecurity(options: SecurityOptions): CoreOptions {
  const { identity, insecure = false, unauthenticated = false, paddingBytes = 0 } = options;
  if (insecure && isInsecureForbidden())
    throw misuse('ERR_CARACAL_INSECURE_FORBIDDEN', `"insecure" is forbidden here by ${forbidVariable}`, 'state');
  if (!Number.isInteger(paddingBytes) || paddingBytes < 0 || paddingBytes > 65_536)
    throw misuse('ERR_OUT_OF_RANGE', `paddingBytes is a whole number from 0 to 65536, not ${paddingBytes}`, 'range');
  return {
    ...(identity === undefined ? {} : { identity: typeof identity === 'string' ? loadIdentity(identity) : identity }),
    ...(insecure ? { insecure } : {}),
    ...(unauthenticated ? { unauthenticated } : {}),
    ...(paddingBytes > 0 ? { paddingBytes } : {}),
  };
}

/** The same for a client of `target`, whose key may be pinned. Throws for a malformed trust file, too. */
export function clientSecurity(options: SecurityOptions, target: Target, service: ServiceId): CoreOptions {
  const security = readSecurity(options);
  const expects = expectedKey(target, service);
  return expects === undefined ? security : { ...security, expects };
}

/** The key that must stand behind a name: as the caller wrote it, or as it is pinned. */
export function expectedKey(target: Target, service: ServiceId): ServiceId | undefined {
  return target.expects ?? pinOf(service);
}

function pinOf(service: ServiceId): ServiceId | undefined {
  if (nameKind(service) !== 'label') return undefined;
  const pin = currentTrust().trust.pins.get(formatServiceId(memberServiceId(service, 0)));
  return pin === undefined ? undefined : parseServiceId(pin);
}

/** A server's names must be granted to it: better said here than refused by each client. */
export function checkGranted(identity: Identity | undefined, prefix: Prefix, text: string): void {
  const granted = identity && parseCredential(identity.credential)?.at(-1)?.prefix;
  if (granted === undefined || (granted.bits <= prefix.bits && prefixContains(granted, prefix.id))) return;
  throw serviceError('listen', Reason.NOT_AUTHORIZED, text, 'the certificate is for other names');
}

/** Gives a running server its renewed certificate, if its identity came from a file. */
export function followIdentity(
  { identity }: SecurityOptions,
  onChange: (identity: Identity) => void,
): { close(): void } | undefined {
  if (typeof identity !== 'string') return undefined;
  const onError = (error: Error): void =>
    warn('CARACAL_IDENTITY', `the renewed certificate is of no use: ${error.message}`);
  return watchIdentity(identity, onChange, { onError });
}

/** The client is connected: pins the key of a label that showed one, and says what is not protected. Throws on a conflict. */
export function notePeer(target: Target, service: ServiceId, peer: PeerProof): void {
  if (!peer.encrypted)
    warn('CARACAL_INSECURE', `svc://${target.text} is read and changed by anybody on the way (insecure)`);
  if (peer.authenticated || nameKind(service) !== 'label') return;
  if (peer.rootKey === undefined) {
    warn(
      'CARACAL_UNAUTHENTICATED',
      `nothing proves who serves svc://${target.text}: names without a key are for one machine and one LAN`,
    );
    return;
  }
  const id = selfCertifyingId(primitives, peer.rootKey);
  if (pinOnFirstUse(target.name ?? target.text, id) === 'pinned')
    warn('CARACAL_PINNED', `svc://${target.text} is known by its key from now on: svc:${formatServiceId(id)}`);
}

const warned = new Set<string>();
const mostWarnings = 1000;

/** Once per text: a busy client must not drown its log. */
function warn(code: string, text: string): void {
  if (warned.has(text) || warned.size >= mostWarnings) return;
  warned.add(text);
  process.emitWarning(text, { type: 'CaracalWarning', code });
}
