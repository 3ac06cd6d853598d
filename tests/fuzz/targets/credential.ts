// Fuzz target: chains of certificates as the bytes put them together: who issues what to whom, for which names and when, what
// is revoked, and which byte is changed afterwards; or raw bytes. A chain is authentic exactly if a plain reading of the
// rules says so (docs/keys.md, "Credentials"); the cache says the same; a name is believed only from the key that it demands.

import { strict as assert } from 'node:assert';
import {
  type FlowId,
  formatServiceId,
  makePrefix,
  type Prefix,
  prefixContains,
  Reason,
} from '../../../src/core/base/index.ts';
import {
  applyRevocationList,
  CertificateKind,
  clockSkewSeconds,
  createCredentialCache,
  createRevocations,
  createTrust,
  encodeCertificate,
  encodeRevocationList,
  judge,
  maxCredentialBytes,
  mayRegister,
  parseCredential,
  type Verified,
  verifyCached,
  verifyCredential,
} from '../../../src/core/security/index.ts';
import { labelOf, primitives, type Root, root, startSeconds } from '../identities.ts';
import { below, createOperations, more, oneOf, open, take, u8, u16 } from '../operations.ts';

export const maxBytes = 768;

export function fuzz(data: Uint8Array): void {
  open(operations, data);
  if (u8(operations) >= 224) return checkRaw(take(operations, data.length));
  const steps: Step[] = [];
  for (let count = 1 + below(operations, 4); steps.length < count; ) steps.push(readStep());
  const credential = Uint8Array.from(steps.flatMap(({ bytes }) => [...bytes]));
  const revocations = createRevocations();
  if (below(operations, 2) === 1) revoke(revocations, steps);
  const changed = more(operations) && u8(operations) < 64;
  if (changed) credential[u16(operations) % credential.length]! ^= u8(operations) || 1;
  const nowSeconds = startSeconds + (u8(operations) - 128) * 10;
  const { reason, verified } = verifyCredential(primitives, credential, nowSeconds, revocations);
  assert.equal(reason === Reason.OK, verified !== undefined);
  const expected = !changed && isAuthentic(steps, nowSeconds, revocations.generation > 0);
  assert.equal(verified !== undefined, expected, `the verdict is ${reason}`);
  const cache = createCredentialCache();
  for (let i = 0; i < 2; i++)
    assert.equal(verifyCached(primitives, cache, credential, nowSeconds, revocations).reason, reason);
  if (verified === undefined) return;
  const last = steps.at(-1)!;
  assert.equal(verified.prefix.bits, last.prefix.bits);
  checkJudgements(verified, steps[0]!.issuer);
}

interface Step {
  readonly issuer: Root;
  readonly subject: Root;
  readonly kind: number;
  readonly prefix: Prefix;
  readonly serial: FlowId;
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  readonly revoked: boolean;
  readonly bytes: Uint8Array;
}

const operations = createOperations();
const roots = [root(1), root(2), root(3)];
const names = [labelOf(1), labelOf(2), roots[0]!.id, roots[1]!.id];
const lengths = [0, 64, 63, 224, 223, 225, 256];
const wholeSystem = 64;
const wholeService = 224;

function readStep(): Step {
  const choice = u8(operations);
  const issuer = roots[choice % 3]!;
  const subject = roots[(choice >> 2) % 3]!;
  const kind = choice & 16 ? CertificateKind.INSTANCE : CertificateKind.DELEGATION;
  const prefix = makePrefix(oneOf(operations, names), oneOf(operations, lengths));
  const fromSeconds = startSeconds + (u8(operations) - 128) * 5;
  const untilSeconds = fromSeconds + u8(operations) * 10;
  const serial = { hi: 1, lo: below(operations, 4) };
  const instance = kind === CertificateKind.INSTANCE;
  const fields = {
    kind,
    subjectKey: subject.key,
    staticKey: new Uint8Array(32).fill(instance ? 7 : 0),
    prefix,
    instance: { hi: 0, lo: instance ? 5 : 0 },
    serial,
    notBeforeSeconds: fromSeconds,
    notAfterSeconds: untilSeconds,
  };
  const bytes = encodeCertificate(primitives, fields, issuer.seed);
  return { issuer, subject, kind, prefix, serial, fromSeconds, untilSeconds, revoked: (choice & 32) !== 0, bytes };
}

/** Each issuer takes back the serials that are marked. */
function revoke(revocations: ReturnType<typeof createRevocations>, steps: readonly Step[]): void {
  for (const issuer of roots) {
    const serials = steps.filter((step) => step.issuer === issuer && step.revoked).map(({ serial }) => serial);
    if (serials.length === 0) continue;
    const list = { number: 1, issuedAtSeconds: startSeconds, allBeforeSeconds: 0, serials };
    const bytes = encodeRevocationList(primitives, list, issuer.seed);
    assert.equal(applyRevocationList(primitives, revocations, bytes), Reason.OK);
  }
}

function isAuthentic(steps: readonly Step[], nowSeconds: number, revoking: boolean): boolean {
  if (steps.length > 3) return false;
  const gone = (step: Step) =>
    revoking && steps.some((s) => s.revoked && s.issuer === step.issuer && s.serial.lo === step.serial.lo);
  return steps.every((step, i) => {
    const last = i === steps.length - 1;
    const parent = steps[i - 1];
    if (step.kind !== (last ? CertificateKind.INSTANCE : CertificateKind.DELEGATION)) return false;
    if (parent !== undefined && (parent.subject !== step.issuer || !isWithin(parent.prefix, step.prefix))) return false;
    if (nowSeconds < step.fromSeconds - clockSkewSeconds || nowSeconds > step.untilSeconds + clockSkewSeconds)
      return false;
    return !gone(step);
  });
}

function isWithin(outer: Prefix, inner: Prefix): boolean {
  return inner.bits >= outer.bits && prefixContains(outer, inner.id);
}

/** A key speaks for its own name and for labels pinned to it, and for nothing else. */
function checkJudgements(verified: Verified, by: Root): void {
  const trust = createTrust();
  trust.pins.set(formatServiceId(names[1]!), formatServiceId(roots[1]!.id));
  for (const name of names) {
    const covered = prefixContains(verified.prefix, name);
    const judgement = judge(primitives, trust, name, verified);
    if (!covered) assert.equal(judgement, 'not-covered');
    if (judgement === 'authentic') {
      const demanded = name === names[1] ? roots[1] : roots.find(({ id }) => id === name);
      assert.equal(by, demanded, 'authentic by another key');
    }
    for (const bits of [wholeSystem, wholeService, 256]) {
      const prefix = makePrefix(name, bits);
      if (mayRegister(primitives, trust, prefix, verified) === Reason.OK)
        assert.ok(isWithin(verified.prefix, prefix), 'nothing is registered outside of a certificate');
    }
  }
}

function checkRaw(bytes: Uint8Array): void {
  const { reason, verified } = verifyCredential(primitives, bytes, startSeconds);
  const chain = parseCredential(bytes);
  assert.equal(chain === undefined, reason === Reason.BAD_MESSAGE);
  if (bytes.length > maxCredentialBytes) assert.equal(chain, undefined);
  if (verified !== undefined) assert.equal(verified.serials.length, chain?.length);
}
