// `caracal grant`: a key signs that another may serve names, or may sign for them itself, for a while (X2). Certificates are
// short-lived, so that revoking is rarely needed: run it again, from cron, and a serving program takes the new file up.

import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { formatPrefix, type Prefix, sameBytes } from '../../core/base/index.ts';
import { type Grant, issueCredential, issueDelegation, nameKind } from '../../core/security/index.ts';
import {
  besideFile,
  fingerprint,
  formatTime,
  type PublicKey,
  primitives,
  readKeyFile,
  readPublicKeyFile,
  readRevocationFile,
  type SigningKey,
  unixSeconds,
  writeCertificateFile,
} from '../../keys/index.ts';
import { parseLifetimeSeconds } from '../arguments.ts';
import { type Authority, authorityOf, checkDepth, grantedPrefix } from '../authority.ts';
import { CliError, usageError } from '../errors.ts';
import { note, print } from '../output.ts';

interface GrantOptions {
  readonly key: string;
  readonly to: string;
  readonly name?: string;
  readonly for: number;
  readonly delegate: boolean;
  readonly chain?: string;
  readonly out?: string;
}

export function registerGrant(program: Command): void {
  program
    .command('grant')
    .description('certify that an instance may serve a name, or that a key may certify instances of it')
    .requiredOption('-k, --key <file>', 'the key that signs: of a service, of a system, or delegated')
    .requiredOption('-t, --to <file>', 'the public half of the key that is certified')
    .option('-n, --name <name>', 'a label, a serviceID or a prefix (default: all that the key may grant)')
    .addOption(
      new Option('--for <time>', 'how long: 90m, 24h, 7d')
        .argParser((text) => parseLifetimeSeconds(text, '--for'))
        .default(86_400, '24h'),
    )
    .option('--delegate', 'the other key may certify instances itself', false)
    .option('--chain <file>', 'the certificate by which the signing key was delegated to')
    .option('-o, --out <file>', 'the certificate file (default: beside the public key, as NAME.cert)')
    .addHelpText(
      'after',
      `
A service key certifies instances of its own name, and of labels that people then pin to it. A system key certifies
the labels of its system. --for is 24h unless given; run the command again to renew: the file is replaced in one step,
and programs that serve with it take it up. Prints the path of the certificate on stdout.

Examples:
  caracal grant --key service.key --to instance.pub
  caracal grant --key service.key --to instance.pub --name web --for 7d
  caracal grant --key system.key --to service.pub --name shop --delegate --for 90d
  caracal grant --key service.key --chain service.cert --to instance.pub`,
    )
    .action(run);
}

function run(options: GrantOptions): void {
  const key = readKeyFile(options.key);
  if (key.kind === 'instance')
    throw new CliError(`${options.key} is an instance key: it signs no certificates`, {
      next: 'caracal keygen service',
    });
  const authority = authorityOf(key, options.chain);
  const subject = readPublicKeyFile(options.to);
  checkSubject(subject, options);
  checkDepth(authority, options.delegate);
  const prefix = grantedPrefix(authority, options.name);
  const grant = validity(authority, prefix, options);
  const chain =
    subject.kind === 'instance'
      ? issueCredential(primitives, key.seed, subject.keys, grant)
      : issueDelegation(primitives, key.seed, subject.publicKey, grant);
  const path = options.out ?? besideFile(options.to, 'cert');
  writeCertificateFile(path, chain);
  print(path);
  report(authority, prefix, grant, options);
}

function checkSubject(subject: PublicKey, { to, delegate }: GrantOptions): void {
  if (delegate && subject.kind === 'instance')
    throw usageError(`${to} is an instance key: it cannot certify others`, 'leave --delegate out');
  if (!delegate && subject.kind !== 'instance')
    throw usageError(
      `${to} is a ${subject.kind} key: it does not serve, it can only certify instances`,
      'give --delegate, or the .pub file of an instance',
    );
}

/** A fresh certificate begins after whatever the issuer has revoked wholesale, and ends with its chain. */
function validity({ key, chain, notAfterSeconds }: Authority, prefix: Prefix, options: GrantOptions): Grant {
  const notBeforeSeconds = Math.max(unixSeconds(), allBefore(key, options.key));
  return {
    prefix,
    notBeforeSeconds,
    notAfterSeconds: Math.min(notBeforeSeconds + options.for, notAfterSeconds),
    chain,
  };
}

function allBefore(key: SigningKey, path: string): number {
  const listPath = besideFile(path, 'revoked');
  if (!existsSync(listPath)) return 0;
  const { list } = readRevocationFile(listPath);
  return sameBytes(list.issuerKey, key.publicKey) ? list.allBeforeSeconds : 0;
}

function report(authority: Authority, prefix: Prefix, grant: Grant, options: GrantOptions): void {
  const may = options.delegate ? 'may certify' : 'may serve';
  const clipped = grant.notAfterSeconds < grant.notBeforeSeconds + options.for ? ', when the chain ends' : '';
  note(`${options.to} ${may} ${formatPrefix(prefix)} until ${formatTime(grant.notAfterSeconds)}${clipped}`);
  if (nameKind(prefix.id) !== 'label' || prefix.bits < 64) return;
  const id = fingerprint(authority.rootKey).slice('svc:'.length);
  const name = options.name?.replace(/^svc:/, '').replace(/\/.*/, '');
  if (name !== undefined && name !== '' && name.length < 52)
    note(`a label alone proves nothing: share it as svc:${name}@${id}, or pin it: caracal trust add pin ${name} ${id}`);
}
