// Certificate files (`.cert`): the certificates of a chain, root first, in base64, under comments that say in words what
// they are (docs/keys.md, "Certificate files"). Only the base64 counts. Nothing in it is secret; a renewal replaces it.

import { type FlowId, formatFlowId, formatPrefix } from '../core/base/index.ts';
import {
  type Certificate,
  CertificateKind,
  formatShared,
  parseCredential,
  selfCertifyingId,
} from '../core/security/index.ts';
import { base64Lines, bodyLines, malformedIn, readTextFile, replaceFile, toBase64Lines } from './files.ts';
import { primitives } from './primitives.ts';

const fileKind = 'caracal-certificate';
const code = 'ERR_CARACAL_CERTIFICATE_FILE';

/** The bytes of a credential or a delegation chain: well-formed, not verified. Throws KeysError. */
export function readCertificateFile(path: string, next?: string): Uint8Array {
  return parseCertificateText(readTextFile(path, code, next).text, path);
}

export function parseCertificateText(text: string, path: string): Uint8Array {
  const malformed = malformedIn(code, path);
  const lines = bodyLines(text, fileKind, malformed);
  const bytes = base64Lines(lines, malformed);
  if (parseCredential(bytes) === undefined)
    throw malformed(lines[0]?.number ?? 1, 'these are not one to three certificates');
  return bytes;
}

/** Replaces what is there. Throws KeysError. */
export function writeCertificateFile(path: string, chain: Uint8Array): void {
  replaceFile(path, formatCertificateFile(chain), 0o644, code);
}

export function formatCertificateFile(chain: Uint8Array): string {
  const certificates = parseCredential(chain) ?? [];
  const comments = certificates.map((certificate, i) => `#   ${i + 1}. ${describeCertificate(certificate)}\n`);
  const title = certificates.length === 1 ? 'Caracal certificate:' : 'Caracal certificates, the root first:';
  return `# ${title}\n${comments.join('')}${fileKind} 1\n${toBase64Lines(chain)}`;
}

/** One line for people. */
export function describeCertificate(certificate: Certificate): string {
  const { kind, issuerKey, subjectKey, prefix, instance, serial, notBeforeSeconds, notAfterSeconds } = certificate;
  const issuer = fingerprint(issuerKey);
  const subject = kind === CertificateKind.INSTANCE ? `instance ${formatFlowId(instance)}` : fingerprint(subjectKey);
  const may = kind === CertificateKind.INSTANCE ? 'may serve' : 'may certify';
  const span = `from ${formatTime(notBeforeSeconds)} to ${formatTime(notAfterSeconds)}`;
  return `${issuer} says: ${subject} ${may} ${formatPrefix(prefix)} ${span} (serial ${formatFlowId(serial)})`;
}

/** `svc:ID` of a key, whatever the key is for. */
export function fingerprint(key: Uint8Array): string {
  return formatShared({ id: selfCertifyingId(primitives, key) });
}

/** `2026-03-01T12:00:00Z`; what no calendar holds as a number of seconds. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace('.000Z', 'Z');
}

/** 16 hexadecimal digits, as `formatFlowId` writes them; undefined for other text. */
export function parseSerial(text: string): FlowId | undefined {
  if (!/^[0-9a-f]{16}$/i.test(text)) return undefined;
  return { hi: Number.parseInt(text.slice(0, 8), 16), lo: Number.parseInt(text.slice(8), 16) };
}
