// An instance's identity from its files: the key file and the certificate beside it. Certificates are short-lived and
// renewed by another program (`caracal grant` from cron), so a running server looks whether the file has changed. It
// polls: a file that is replaced by rename leaves a watch of the old one behind, and network file systems tell nothing.

import { statSync } from 'node:fs';
import { Reason, reasonName } from '../core/base/index.ts';
import {
  bindIdentity,
  type Certificate,
  type Identity,
  parseCredential,
  verifyCredential,
} from '../core/security/index.ts';
import { formatTime, readCertificateFile } from './certificate-file.ts';
import { KeysError } from './errors.ts';
import { besideFile } from './files.ts';
import { readKeyFile } from './key-file.ts';
import { primitives, unixSeconds } from './primitives.ts';

export interface IdentityOptions {
  /** Default: the file beside the key that ends in `.cert`. */
  readonly certificate?: string;
}

/**
 * Key and certificate, checked: they belong together, and the certificate is valid now. Throws KeysError
 * ERR_CARACAL_KEY_FILE, ERR_CARACAL_CERTIFICATE_FILE or ERR_CARACAL_IDENTITY.
 */
export function loadIdentity(path: string, options: IdentityOptions = {}): Identity {
  const key = readKeyFile(path);
  if (key.kind !== 'instance')
    throw identityError(`${path} is a ${key.kind} key: a server runs with an instance key`, 'caracal keygen instance');
  const certificatePath = options.certificate ?? besideFile(path, 'cert');
  const renew = `caracal grant --key SERVICE.key --to ${besideFile(path, 'pub')} --out ${certificatePath}`;
  const credential = readCertificateFile(certificatePath, renew);
  const identity = bindIdentity(key.keys, credential);
  if (identity === undefined) throw identityError(`${certificatePath} is not for the key in ${path}`, renew);
  const { reason, verified } = verifyCredential(primitives, credential, unixSeconds());
  if (verified === undefined)
    throw identityError(`${certificatePath} is not valid: ${whyNot(reason, credential)}`, renew);
  return identity;
}

export interface WatchOptions extends IdentityOptions {
  /** What was changed cannot be used: the identity of before goes on. */
  readonly onError?: (error: Error) => void;
  readonly intervalMs?: number;
}

/** Calls `onChange` with the new identity after a file has changed, until closed. Does not keep the process alive. */
export function watchIdentity(
  path: string,
  onChange: (identity: Identity) => void,
  { onError, intervalMs = 5_000, ...options }: WatchOptions = {},
): { close(): void } {
  const paths = [path, options.certificate ?? besideFile(path, 'cert')];
  let stamps = stampsOf(paths);
  const check = (): void => {
    const now = stampsOf(paths);
    if (now === stamps) return;
    stamps = now;
    let identity: Identity;
    try {
      identity = loadIdentity(path, options);
    } catch (error) {
      onError?.(error as Error);
      return;
    }
    onChange(identity);
  };
  const timer = setInterval(check, intervalMs).unref();
  return { close: () => clearInterval(timer) };
}

/** Why `verifyCredential` or `verifyDelegation` refused these certificates, in words. */
export function whyNot(reason: Reason, chain: Uint8Array): string {
  if (reason === Reason.EXPIRED) return whenValid(parseCredential(chain) ?? []);
  const words = new Map<Reason, string>([
    [Reason.BAD_MESSAGE, 'it is malformed'],
    [Reason.NOT_AUTHORIZED, 'its certificates do not hold together: one may not sign the next'],
    [Reason.REVOKED, 'it was revoked'],
    [Reason.BAD_SIGNATURE, 'a signature does not verify: it was changed, or forged'],
  ]).get(reason);
  return words ?? reasonName(reason);
}

function whenValid(chain: readonly Certificate[]): string {
  const end = Math.min(...chain.map(({ notAfterSeconds }) => notAfterSeconds));
  if (end < unixSeconds()) return `it has expired, at ${formatTime(end)}`;
  const begin = Math.max(...chain.map(({ notBeforeSeconds }) => notBeforeSeconds));
  return `it is not valid before ${formatTime(begin)}`;
}

function identityError(problem: string, next: string): KeysError {
  return new KeysError('ERR_CARACAL_IDENTITY', problem, next);
}

function stampsOf(paths: readonly string[]): string {
  return paths
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`))
    .join('\n');
}
