// The trust file (docs/keys.md, "Trust"): whose keys this person believes. Lines `system NAME KEY` and `pin LABEL ID`,
// with comments. A malformed line is an error with its place and never skipped: a pin that silently did not count would
// be worse than none. Pins made on first use stand in a second file, known-services, which programs append to;
// what a person wrote in the first one comes before.

import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { formatServiceId, type ServiceId } from '../core/base/index.ts';
import {
  createTrust,
  isKeyId,
  isLabel,
  labelServiceId,
  parseShared,
  ssIdText,
  systemId,
  type Trust,
} from '../core/security/index.ts';
import { KeysError } from './errors.ts';
import { contentLines, malformedIn, readTextFile } from './files.ts';
import { parseKeyText } from './key-file.ts';
import { primitives } from './primitives.ts';

export const trustCode = 'ERR_CARACAL_TRUST_FILE';

export interface SystemEntry {
  /** What the person calls the system. */
  readonly name: string;
  /** Ed25519, 32 bytes. */
  readonly key: Uint8Array;
  /** 16 hexadecimal digits. */
  readonly ssId: string;
  readonly line: number;
}

export interface PinEntry {
  readonly label: string;
  /** Self-certifying serviceID of the key that the label's instances must present. */
  readonly id: ServiceId;
  readonly line: number;
}

export interface TrustFile {
  readonly path: string;
  readonly exists: boolean;
  readonly systems: readonly SystemEntry[];
  readonly pins: readonly PinEntry[];
}

/** What both files say together. */
export interface TrustFiles {
  readonly trust: Trust;
  readonly configured: TrustFile;
  /** Made on first use. */
  readonly known: TrustFile;
}

/** $CARACAL_TRUST, else caracal/trust in $XDG_CONFIG_HOME or ~/.config. */
export function trustPath(env: NodeJS.ProcessEnv = process.env): string {
  return env['CARACAL_TRUST'] || join(configFolder(env), 'trust');
}

/** $CARACAL_KNOWN, else caracal/known-services in $XDG_CONFIG_HOME or ~/.config. */
export function knownPath(env: NodeJS.ProcessEnv = process.env): string {
  return env['CARACAL_KNOWN'] || join(configFolder(env), 'known-services');
}

export function configFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'caracal');
}

/** Both files as they are now; one that is not there is empty. Throws KeysError ERR_CARACAL_TRUST_FILE. */
export function readTrust(env: NodeJS.ProcessEnv = process.env): TrustFiles {
  const configured = readTrustFile(trustPath(env));
  const known = readKnownFile(knownPath(env));
  const trust = createTrust();
  for (const { ssId, key } of configured.systems) trust.systems.set(ssId, key);
  for (const { label, id } of [...known.pins, ...configured.pins])
    trust.pins.set(formatServiceId(labelServiceId(primitives, label)), formatServiceId(id));
  return { trust, configured, known };
}

let current: { paths: string; stamps: string; checkedAtMs: number; files: TrustFiles } | undefined;
const recheckMs = 1_000;

/** As `readTrust`, read again only when a file has changed, checked at most once a second: for each connection. */
export function currentTrust(): TrustFiles {
  const nowMs = performance.now();
  const paths = `${trustPath()}\n${knownPath()}`;
  if (current?.paths === paths && nowMs - current.checkedAtMs < recheckMs) return current.files;
  const stamps = `${stampOf(trustPath())}\n${stampOf(knownPath())}`;
  const files = current?.paths === paths && current.stamps === stamps ? current.files : readTrust();
  current = { paths, stamps, checkedAtMs: nowMs, files };
  return files;
}

/** After this process has changed a file itself. */
export function forgetTrust(): void {
  current = undefined;
}

export function readTrustFile(path: string): TrustFile {
  return read(path, parseTrustLine, false);
}

/** Only pins; of two for one label the first counts: a later one lost a race (known-services.ts). */
export function readKnownFile(path: string): TrustFile {
  return read(path, (words) => (words[0] === 'pin' ? parsePin(words) : 'a line is "pin LABEL ID"'), true);
}

type Parsed = Omit<SystemEntry, 'line'> | Omit<PinEntry, 'line'>;

function read(path: string, parseLine: (words: string[]) => Parsed | string, firstCounts: boolean): TrustFile {
  const systems: SystemEntry[] = [];
  const pins: PinEntry[] = [];
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return { path, exists: false, systems, pins };
  const malformed = malformedIn(trustCode, path);
  for (const { number, text } of contentLines(readTextFile(path, trustCode).text)) {
    const entry = parseLine(text.split(/\s+/));
    if (typeof entry === 'string') throw malformed(number, entry);
    if ('key' in entry) {
      const twin = systems.find(({ name, ssId }) => name === entry.name || ssId === entry.ssId);
      if (twin) throw malformed(number, `"${entry.name}" is the same system as in line ${twin.line}`);
      systems.push({ ...entry, line: number });
    } else {
      const twin = pins.find(({ label }) => label === entry.label);
      if (twin && !firstCounts) throw malformed(number, `"${entry.label}" is pinned twice, first in line ${twin.line}`);
      if (!twin) pins.push({ ...entry, line: number });
    }
  }
  return { path, exists: true, systems, pins };
}

function parseTrustLine(words: string[]): Parsed | string {
  if (words[0] === 'system') return parseSystem(words);
  if (words[0] === 'pin') return parsePin(words);
  return 'a line is "system NAME KEY" or "pin LABEL ID"';
}

function parseSystem(words: string[]): Parsed | string {
  const [, name = '', keyWord = ''] = words;
  if (words.length !== 3) return `a line is "system NAME KEY", this has ${words.length} words`;
  const key = parseKeyText(keyWord);
  if (key === undefined) return `the key of "${name}" is not 52 base32 characters`;
  return systemEntry(name, key);
}

/** Or why not. */
export function systemEntry(name: string, key: Uint8Array): Omit<SystemEntry, 'line'> | string {
  if (!isLabel(name)) return `"${name}" is not a name`;
  const ssId = systemId(primitives, key);
  return ssId === undefined ? `the key of "${name}" cannot be that of a system` : { name, key, ssId: ssIdText(ssId) };
}

function parsePin(words: string[]): Parsed | string {
  const [, label = '', idWord = ''] = words;
  if (words.length !== 3) return `a line is "pin LABEL ID", this has ${words.length} words`;
  return pinEntry(label, idWord);
}

/** Or why not. */
export function pinEntry(label: string, idText: string): Omit<PinEntry, 'line'> | string {
  if (!isLabel(label)) return `"${label}" is not a label`;
  const { id, name } = parseShared(idText) ?? {};
  if (id === undefined || name !== undefined || !isKeyId(id))
    return `"${idText}" is not the id of a service key (svc:...)`;
  return { label, id };
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
}

/** The text of a file that may not be there yet. */
export function existingText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new KeysError(trustCode, `cannot read ${path}: ${(error as Error).message}`, undefined, error);
  }
}
