// `caracal verify`: what a certificate proves, for whom, and until when (X2): the verdict that clients and routers reach
// (src/core/security), in words.

import type { Command } from 'commander';
import {
  formatFlowId,
  formatPrefix,
  formatServiceId,
  parsePrefix,
  Reason,
  reasonName,
  type ServiceId,
} from '../../core/base/index.ts';
import {
  applyRevocationList,
  CertificateKind,
  type CredentialVerdict,
  createRevocations,
  createTrust,
  expectedKeyId,
  formatShared,
  type Judgement,
  judge,
  labelServiceId,
  nameKind,
  parseCredential,
  parseShared,
  type SharedName,
  selfCertifyingId,
  ssIdText,
  systemId,
  type Trust,
  type Verified,
  verifyCredential,
  verifyDelegation,
} from '../../core/security/index.ts';
import {
  describeCertificate,
  fingerprint,
  formatTime,
  primitives,
  readCertificateFile,
  readPublicKeyFile,
  readRevocationFile,
  readTrust,
  unixSeconds,
  whyNot,
} from '../../keys/index.ts';
import { readAliases } from '../aliases.ts';
import { CliError, usageError } from '../errors.ts';
import { formatLifetime, formatPairs, note, print, printJson } from '../output.ts';

interface VerifyOptions {
  readonly name?: string;
  readonly key?: string;
  readonly list?: string;
  readonly json: boolean;
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('say what a certificate proves; exit with 1 if it does not')
    .argument('<certificate>', 'a certificate file')
    .option('-n, --name <name>', 'it must prove this name: a label, a serviceID, or svc:NAME@ID')
    .option('-k, --key <file>', 'the root key must be this one (a .pub file)')
    .option('--list <file>', 'a revocation list to check it against')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Signatures, validity, and that each certificate may sign the next are always checked; whether the root key may speak
for the name, by the name itself, by --key, and by what is trusted here (caracal trust).

Examples:
  caracal verify instance.cert
  caracal verify instance.cert --name web --key service.pub
  caracal verify instance.cert --list service.revoked --json`,
    )
    .action(run);
}

interface Problem {
  readonly why: string;
  readonly reason: string;
  readonly next?: string;
}

function run(path: string, options: VerifyOptions): void {
  const chain = readCertificateFile(path);
  const wanted = options.name === undefined ? undefined : sharedName(options.name);
  const { reason, verified } = verdictOn(chain, options.list);
  const problem =
    verified === undefined
      ? { why: whyNot(reason, chain), reason: reasonName(reason) }
      : (checkRoot(verified, options.key) ?? checkName(verified, wanted, options));
  if (options.json) printJson(asJson(chain, verified, problem));
  else if (verified !== undefined && problem === undefined) printVerified(chain, verified, options);
  else for (const certificate of parseCredential(chain) ?? []) note(describeCertificate(certificate));
  if (problem === undefined) return;
  const message = `${path} does not prove ${options.name ?? 'anything'}: ${problem.why}`;
  throw new CliError(message, problem.next === undefined ? {} : { next: problem.next });
}

function sharedName(text: string): SharedName {
  const shared = parseShared(text);
  if (shared === undefined) throw usageError(`--name is a label, a serviceID or svc:NAME@ID, not "${text}"`);
  return shared;
}

function verdictOn(chain: Uint8Array, listPath: string | undefined): CredentialVerdict {
  const revocations = createRevocations();
  if (listPath !== undefined) applyRevocationList(primitives, revocations, readRevocationFile(listPath).bytes);
  const isInstance = parseCredential(chain)?.at(-1)?.kind === CertificateKind.INSTANCE;
  return (isInstance ? verifyCredential : verifyDelegation)(primitives, chain, unixSeconds(), revocations);
}

function checkRoot({ rootKey }: Verified, keyPath: string | undefined): Problem | undefined {
  if (keyPath === undefined) return undefined;
  const key = readPublicKeyFile(keyPath);
  if (key.kind === 'instance') throw usageError(`${keyPath} is an instance key: it cannot be the root`);
  const [root, expected] = [fingerprint(rootKey), fingerprint(key.publicKey)];
  if (root === expected) return undefined;
  return { reason: 'wrong-key', why: `its root key is ${root}, not ${expected} of ${keyPath}` };
}

/** Without a name: whether the root may speak for what was granted, as far as that can be known. */
function checkName(verified: Verified, wanted: SharedName | undefined, options: VerifyOptions): Problem | undefined {
  const name = nameIn(verified, wanted);
  const trust = trustFor(verified, name, wanted, options.key !== undefined);
  const judgement = judge(primitives, trust, name, verified);
  if (judgement === 'authentic' || (judgement === 'unpinned' && wanted === undefined)) return undefined;
  return wordsFor(judgement, trust, name, verified, wanted);
}

/** As a client would resolve it: the alias file first; else a label, of the system or of the domain that `prefix` is in. */
function nameIn({ prefix }: Verified, wanted: SharedName | undefined): ServiceId {
  if (wanted?.name === undefined) return wanted?.id ?? prefix.id;
  const alias = readAliases().prefixes.get(wanted.name);
  if (alias !== undefined) return parsePrefix(alias).id;
  const id = labelServiceId(primitives, wanted.name);
  if (prefix.bits >= 64 && nameKind(prefix.id) === 'system') id.set(prefix.id.subarray(0, 8));
  return id;
}

/** What is trusted here, and for this once what the command line names. */
function trustFor(verified: Verified, name: ServiceId, wanted: SharedName | undefined, rootGiven: boolean): Trust {
  const trust = readTrust().trust;
  const pin = wanted?.name !== undefined && wanted.id !== undefined ? wanted.id : undefined;
  if (pin !== undefined || rootGiven) {
    const id = pin ?? selfCertifyingId(primitives, verified.rootKey);
    trust.pins.set(formatServiceId(name), formatServiceId(id));
  }
  const ssId = systemId(primitives, verified.rootKey);
  if (rootGiven && ssId !== undefined) trust.systems.set(ssIdText(ssId), verified.rootKey);
  return trust;
}

function wordsFor(
  judgement: Judgement,
  trust: Trust,
  name: ServiceId,
  { rootKey, prefix }: Verified,
  wanted: SharedName | undefined,
): Problem {
  const reason: string = judgement;
  const root = fingerprint(rootKey);
  if (judgement === 'not-covered') return { reason, why: `it is for ${formatPrefix(prefix)}` };
  if (judgement === 'unpinned') {
    const label = wanted?.name ?? 'LABEL';
    const next = `caracal trust add pin ${label} ${root}   (if that key is right)`;
    return { reason, why: `nothing says that ${root} is the key of this label`, next };
  }
  const expected = expectedKeyId(primitives, trust, name);
  if (expected !== undefined)
    return { reason, why: `the name demands the key ${formatShared({ id: expected })}, not ${root}` };
  const next = 'caracal trust add system NAME KEY, or --key SYSTEM.pub';
  return { reason: 'unknown-system', why: 'its system is not known here', next };
}

function printVerified(chain: Uint8Array, verified: Verified, { name }: VerifyOptions): void {
  const { rootKey, prefix, instance, signKey, notBeforeSeconds, notAfterSeconds } = verified;
  const isInstance = (instance.hi | instance.lo) !== 0;
  const left = formatLifetime(Math.max(0, notAfterSeconds - unixSeconds()));
  print(
    formatPairs([
      ['proves', `${isInstance ? 'may serve' : 'may certify'} ${formatPrefix(prefix)}`],
      ['for', isInstance ? `instance ${formatFlowId(instance)}` : fingerprint(signKey)],
      ['by', fingerprint(rootKey)],
      ...(name === undefined ? [] : [['name', name] as const]),
      ['from', formatTime(notBeforeSeconds)],
      ['until', `${formatTime(notAfterSeconds)} (${left} left)`],
      ['serials', verified.serials.map(formatFlowId).join(' ')],
    ]),
  );
  const unpinned = judge(primitives, createTrust(), prefix.id, verified) === 'unpinned';
  if (name === undefined && unpinned) note(`a label: it is proved to those who expect the key ${fingerprint(rootKey)}`);
  if ((parseCredential(chain)?.length ?? 1) > 1)
    for (const c of parseCredential(chain) ?? []) note(describeCertificate(c));
}

function asJson(
  chain: Uint8Array,
  verified: Verified | undefined,
  problem: Problem | undefined,
): Record<string, unknown> {
  const certificates = (parseCredential(chain) ?? []).map((certificate) => ({
    kind: certificate.kind === CertificateKind.INSTANCE ? 'instance' : 'delegation',
    issuer: fingerprint(certificate.issuerKey),
    subject: fingerprint(certificate.subjectKey),
    prefix: formatPrefix(certificate.prefix),
    instance: certificate.kind === CertificateKind.INSTANCE ? formatFlowId(certificate.instance) : null,
    serial: formatFlowId(certificate.serial),
    notBeforeSeconds: certificate.notBeforeSeconds,
    notAfterSeconds: certificate.notAfterSeconds,
  }));
  return {
    valid: problem === undefined,
    reason: problem?.reason ?? reasonName(Reason.OK),
    why: problem?.why ?? null,
    root: verified === undefined ? null : fingerprint(verified.rootKey),
    prefix: verified === undefined ? null : formatPrefix(verified.prefix),
    notAfterSeconds: verified?.notAfterSeconds ?? null,
    certificates,
  };
}
