// What `caracal doctor` says of keys: secrets that others can read, certificates at their end, and what is trusted here. It
// looks into the working directory and the configuration folder, where keys usually lie.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, parseCredential } from '../../core/security/index.ts';
import {
  configFolder,
  formatTime,
  isPrivateKeyText,
  isReadableByOthers,
  parseCertificateText,
  readTrust,
  type TrustFile,
  unixSeconds,
} from '../../keys/index.ts';
import type { Check } from '../check.ts';
import { reasonOf } from '../errors.ts';
import { plural } from '../output.ts';

/** Of its lifetime: a certificate that is renewed in time does not come so near its end. */
const soonFraction = 0.25;
/** Files of ours are smaller; others are not read. */
const mostFileBytes = 64 * 1024;

export function checkKeys(folders: readonly string[] = [process.cwd(), configFolder()]): Check[] {
  const files = [...new Set(folders)].flatMap(readFolder);
  return [checkKeyFiles(files), checkCertificates(files), checkTrust()];
}

interface Found {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** What can be read there; nothing below it. */
function readFolder(folder: string): Found[] {
  const found: Found[] = [];
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    try {
      const stats = statSync(path);
      if (stats.isFile() && stats.size <= mostFileBytes)
        found.push({ path, text: readFileSync(path, 'utf8'), mode: stats.mode & 0o777 });
    } catch {
      // What this user cannot read is not this user's key.
    }
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith('.pub'));
  } catch {
    return [];
  }
}

function checkKeyFiles(files: readonly Found[]): Check {
  const keys = files.filter(({ text }) => isPrivateKeyText(text));
  const open = keys.filter(({ mode }) => isReadableByOthers(mode)).map(({ path }) => path);
  if (open.length > 0)
    return {
      name: 'keys',
      status: 'fail',
      detail: `others can read ${open.join(', ')}: count these keys as known`,
      advice: `chmod 600 ${open.join(' ')}; or make new ones: caracal keygen --help`,
    };
  const detail = keys.length === 0 ? 'no key files here' : `${plural(keys.length, 'key file')}, for you alone`;
  return { name: 'keys', status: 'ok', detail };
}

function checkCertificates(files: readonly Found[]): Check {
  const nowSeconds = unixSeconds();
  const ends = files
    .filter(({ path }) => path.endsWith('.cert'))
    .flatMap(({ path, text }) => {
      const certificates = readQuietly(text, path);
      return certificates === undefined ? [] : [{ path, ...endOf(certificates) }];
    });
  const list = (some: typeof ends): string =>
    some.map(({ path, notAfterSeconds }) => `${path} (${formatTime(notAfterSeconds)})`).join(', ');
  const advice = 'caracal grant ... again, in time, as from cron';
  const expired = ends.filter(({ notAfterSeconds }) => notAfterSeconds < nowSeconds);
  if (expired.length > 0) return { name: 'certs', status: 'fail', detail: `expired: ${list(expired)}`, advice };
  const soon = ends.filter(({ soonSeconds }) => soonSeconds < nowSeconds);
  if (soon.length > 0) return { name: 'certs', status: 'warn', detail: `expire soon: ${list(soon)}`, advice };
  const detail = ends.length === 0 ? 'no certificates here' : `${plural(ends.length, 'certificate')} valid`;
  return { name: 'certs', status: 'ok', detail };
}

function readQuietly(text: string, path: string): Certificate[] | undefined {
  try {
    return parseCredential(parseCertificateText(text, path));
  } catch {
    return undefined;
  }
}

/** Of the one that ends first: when, and from when on that is soon. */
function endOf(certificates: readonly Certificate[]): { notAfterSeconds: number; soonSeconds: number } {
  const ends = certificates.map(({ notBeforeSeconds, notAfterSeconds }) => ({
    notAfterSeconds,
    soonSeconds: notAfterSeconds - soonFraction * (notAfterSeconds - notBeforeSeconds),
  }));
  return ends.reduce((first, next) => (next.notAfterSeconds < first.notAfterSeconds ? next : first));
}

function checkTrust(): Check {
  try {
    const { configured, known } = readTrust();
    const open = [configured, known].filter(isWritableByOthers).map(({ path }) => path);
    if (open.length > 0) {
      const detail = `others can change ${open.join(' and ')}: what you trust is theirs to say`;
      return { name: 'trust', status: 'fail', detail, advice: `chmod 600 ${open.join(' ')}; caracal trust` };
    }
    const parts = [
      plural(configured.systems.length, 'system'),
      plural(configured.pins.length, 'pin'),
      `${plural(known.pins.length, 'pin')} made on first use`,
    ];
    return { name: 'trust', status: 'ok', detail: parts.join(', ') };
  } catch (error) {
    return { name: 'trust', status: 'fail', detail: reasonOf(error), advice: 'correct that line' };
  }
}

function isWritableByOthers({ path, exists }: TrustFile): boolean {
  return exists && process.platform !== 'win32' && (statSync(path).mode & 0o022) !== 0;
}
