// `caracal revoke`: a key takes certificates back that it has signed, in a list that routers and clients can check (X2). The
// list file beside the key holds all that was revoked so far; each change makes the next number.

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type FlowId, formatFlowId, sameBytes, sameFlow } from '../../core/base/index.ts';
import {
  CertificateKind,
  encodeRevocationList,
  maxRevokedSerials,
  parseCredential,
  type RevocationFields,
} from '../../core/security/index.ts';
import {
  besideFile,
  fingerprint,
  parseSerial,
  primitives,
  readCertificateFile,
  readKeyFile,
  readRevocationFile,
  type SigningKey,
  unixSeconds,
  writeRevocationFile,
} from '../../keys/index.ts';
import { requireRouter } from '../admin-client.ts';
import { parseMoment } from '../arguments.ts';
import { CliError, usageError } from '../errors.ts';
import { note, plural, print } from '../output.ts';

interface RevokeOptions {
  readonly key: string;
  readonly allBefore?: string;
  readonly list?: string;
  readonly push: boolean;
}

export function registerRevoke(program: Command): void {
  program
    .command('revoke')
    .description('take certificates back that a key has signed')
    .argument('[certificates...]', 'certificate files, or serials of 16 hexadecimal digits')
    .requiredOption('-k, --key <file>', 'the key that signed them')
    .option('--all-before <time>', 'all that it signed until "now", or before a date or Unix seconds')
    .option('--list <file>', 'the list file (default: beside the key, as NAME.revoked)')
    .option('--push', 'send the list to the router', false)
    .addHelpText(
      'after',
      `
The list grows, and its number with it; keep the file with the key. With --push and nothing to revoke, the list as it is
is sent again. Prints the path of the list on stdout.

Examples:
  caracal revoke --key service.key instance.cert --push
  caracal revoke --key service.key 3f2a91c07be45d18
  caracal revoke --key service.key --all-before now       then grant anew what is still right`,
    )
    .action(run);
}

async function run(certificates: string[], options: RevokeOptions): Promise<void> {
  const key = readKeyFile(options.key);
  if (key.kind === 'instance') throw new CliError(`${options.key} is an instance key: it has signed no certificates`);
  const path = options.list ?? besideFile(options.key, 'revoked');
  const before = existingList(path, key);
  const serials = certificates.flatMap((text) => serialsOf(text, key));
  if (serials.length === 0 && options.allBefore === undefined && !(options.push && before !== undefined))
    throw usageError('nothing to revoke: name a certificate file, a serial, or --all-before now');
  const list = extend(before, serials, options.allBefore);
  if (list !== undefined) writeRevocationFile(path, encodeRevocationList(primitives, list, key.seed));
  print(path);
  report(list, before);
  if (!options.push) return note('next: the same with --push tells the router');
  await requireRouter('POST', '/v1/revocations', {
    list: Buffer.from(readRevocationFile(path).bytes).toString('base64'),
  });
  note('the router has it');
}

function existingList(path: string, key: SigningKey): RevocationFields | undefined {
  if (!existsSync(path)) return undefined;
  const { list } = readRevocationFile(path);
  if (!sameBytes(list.issuerKey, key.publicKey))
    throw new CliError(`${path} is the list of another key, ${fingerprint(list.issuerKey)}`, {
      next: 'the same with --list OTHER.revoked',
    });
  return list;
}

/** Of a chain, the last that this key has signed: it can take back nothing else. */
function serialsOf(text: string, key: SigningKey): FlowId[] {
  const serial = parseSerial(text);
  if (serial !== undefined) return [serial];
  const chain = parseCredential(readCertificateFile(text)) ?? [];
  const own = chain.findLast(({ issuerKey }) => sameBytes(issuerKey, key.publicKey));
  if (own?.kind === CertificateKind.DELEGATION)
    note(`${text}: the delegation to ${fingerprint(own.subjectKey)}, and with it all that this key has signed`);
  if (own !== undefined) return [own.serial];
  const issuers = chain.map(({ issuerKey }) => fingerprint(issuerKey)).join(', ');
  throw new CliError(`this key has not signed ${text}: ${issuers} has`);
}

/** The next list; undefined when it would say nothing new. "Until now" includes the second that is running. */
function extend(
  before: RevocationFields | undefined,
  added: readonly FlowId[],
  allBefore: string | undefined,
): RevocationFields | undefined {
  const nowSeconds = unixSeconds();
  const asked = allBefore === undefined ? 0 : parseMoment(allBefore, '--all-before', nowSeconds + 1);
  const allBeforeSeconds = Math.max(before?.allBeforeSeconds ?? 0, asked);
  const known = before?.serials ?? [];
  const fresh = added.filter((serial) => !known.some((other) => sameFlow(other, serial)));
  if (fresh.length === 0 && allBeforeSeconds === (before?.allBeforeSeconds ?? 0)) return undefined;
  if (known.length + fresh.length > maxRevokedSerials)
    throw new CliError(`a list takes ${maxRevokedSerials} serials, and these would be ${known.length + fresh.length}`, {
      next: 'the same with --all-before now and a new --list, then grant anew what is still right',
    });
  return {
    number: (before?.number ?? 0) + 1,
    issuedAtSeconds: nowSeconds,
    allBeforeSeconds,
    serials: [...known, ...fresh],
  };
}

function report(list: RevocationFields | undefined, before: RevocationFields | undefined): void {
  if (list === undefined) return note(`nothing new: list ${before?.number ?? 0} stays as it is`);
  const known = before?.serials ?? [];
  for (const serial of list.serials)
    if (!known.some((other) => sameFlow(other, serial))) note(`revoked ${formatFlowId(serial)}`);
  if (list.allBeforeSeconds !== (before?.allBeforeSeconds ?? 0)) note('revoked all that was signed before');
  note(`list ${list.number}: ${plural(list.serials.length, 'serial')}`);
}
