// Revocation lists in files (docs/keys.md, "Revocation lists"): a signed list in base64, under comments that say what it
// takes back. The file beside the key is the issuer's memory of the number that comes next: losing it makes routers
// refuse the next list as out-of-date, until its number has passed the old one.

import { formatFlowId, Reason, reasonName } from '../core/base/index.ts';
import { type RevocationList, readRevocationList } from '../core/security/index.ts';
import { fingerprint, formatTime } from './certificate-file.ts';
import { KeysError } from './errors.ts';
import { base64Lines, bodyLines, malformedIn, readTextFile, replaceFile, toBase64Lines } from './files.ts';
import { primitives } from './primitives.ts';

const fileKind = 'caracal-revocations';
const code = 'ERR_CARACAL_REVOCATION_FILE';

export interface RevocationFile {
  readonly bytes: Uint8Array;
  readonly list: RevocationList;
}

/** Reads and verifies the signature. Throws KeysError. */
export function readRevocationFile(path: string): RevocationFile {
  const malformed = malformedIn(code, path);
  const bytes = base64Lines(bodyLines(readTextFile(path, code).text, fileKind, malformed), malformed);
  const { reason, list } = readRevocationList(primitives, bytes);
  if (list !== undefined) return { bytes, list };
  const why = reason === Reason.BAD_SIGNATURE ? 'its signature is none' : `it is malformed (${reasonName(reason)})`;
  throw new KeysError(code, `${path} is no revocation list: ${why}`);
}

/** Replaces what is there. Throws KeysError. */
export function writeRevocationFile(path: string, bytes: Uint8Array): void {
  const { list } = readRevocationList(primitives, bytes);
  if (list === undefined) throw new KeysError(code, 'these bytes are no revocation list');
  replaceFile(path, `${comments(list)}${fileKind} 1\n${toBase64Lines(bytes)}`, 0o644, code);
}

function comments({ issuerKey, number, issuedAtSeconds, allBeforeSeconds, serials }: RevocationList): string {
  const lines = [`Caracal revocation list ${number} of ${fingerprint(issuerKey)}, ${formatTime(issuedAtSeconds)}:`];
  if (allBeforeSeconds > 0) lines.push(`  all certificates issued before ${formatTime(allBeforeSeconds)}`);
  for (const serial of serials) lines.push(`  ${formatFlowId(serial)}`);
  return lines.map((line) => `# ${line}\n`).join('');
}
