// Changing what is trusted: by hand (`caracal trust`), and pins made on first use. A pin is never replaced, only removed
// by a person. Pins on first use are appended by any number of processes: one write of one line with O_APPEND, then the
// file is read back, and for each label the first line counts; so that of two which race one loses and is told so. A
// lock file was rejected: it outlives a process that dies.

import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatServiceId, type ServiceId } from '../core/base/index.ts';
import { checkLabel, formatShared, isKeyId } from '../core/security/index.ts';
import { formatTime } from './certificate-file.ts';
import { fileError, KeysError } from './errors.ts';
import { replaceFile } from './files.ts';
import { keyText } from './key-file.ts';
import { unixSeconds } from './primitives.ts';
import {
  existingText,
  forgetTrust,
  knownPath,
  type PinEntry,
  readTrust,
  type SystemEntry,
  type TrustFile,
  trustCode,
  trustPath,
} from './trust-file.ts';

/**
 * Pins a label to the key that its service has shown, unless it is pinned. `known`: it was, to this key. Throws KeysError
 * ERR_CARACAL_PIN_CONFLICT when it is pinned to another, naming both and the line; ERR_CARACAL_TRUST_FILE.
 */
export function pinOnFirstUse(label: string, id: ServiceId): 'pinned' | 'known' {
  checkLabel(label);
  if (!isKeyId(id)) throw new KeysError(trustCode, `${formatServiceId(id)} is not the id of a service key`);
  if (agrees(label, id)) return 'known';
  append(knownPath(), `pin ${label} ${formatServiceId(id)}  # first used ${formatTime(unixSeconds())}`);
  agrees(label, id);
  return 'pinned';
}

/** Whether the label is pinned to this key; false if to none. Throws the conflict. */
function agrees(label: string, id: ServiceId): boolean {
  const { configured, known } = readTrust();
  for (const file of [configured, known]) {
    const pin = file.pins.find((entry) => entry.label === label);
    if (pin && formatServiceId(pin.id) !== formatServiceId(id)) throw conflict(file, pin, id);
    if (pin) return true;
  }
  return false;
}

function conflict({ path }: TrustFile, { label, id, line }: PinEntry, other: ServiceId): KeysError {
  return new KeysError(
    'ERR_CARACAL_PIN_CONFLICT',
    `"${label}" is pinned to ${formatShared({ id })} (${path}:${line}), not to ${formatShared({ id: other })}`,
    `find out which is right; then: caracal trust remove pin ${label}`,
  );
}

/** Adds a line to the trust file. Throws KeysError when the name or the system is there with another key. */
export function addSystem(entry: Omit<SystemEntry, 'line'>): 'added' | 'known' {
  const { configured } = readTrust();
  const twin = configured.systems.find(({ name, ssId }) => name === entry.name || ssId === entry.ssId);
  if (twin && (twin.name !== entry.name || keyText(twin.key) !== keyText(entry.key)))
    throw new KeysError(
      'ERR_CARACAL_PIN_CONFLICT',
      `system "${twin.name}" stands with the key ${keyText(twin.key)} in ${configured.path}:${twin.line}`,
      `caracal trust remove system ${twin.name}`,
    );
  if (twin) return 'known';
  append(configured.path, `system ${entry.name} ${keyText(entry.key)}`);
  return 'added';
}

/** Adds a line to the trust file. Throws KeysError when either file pins the label to another key. */
export function addPin({ label, id }: Omit<PinEntry, 'line'>): 'added' | 'known' {
  if (agrees(label, id) && readTrust().configured.pins.some((pin) => pin.label === label)) return 'known';
  append(trustPath(), `pin ${label} ${formatServiceId(id)}`);
  return 'added';
}

/** Takes a system out of the trust file, or a pin out of both files; the other lines stay. Answers how many went. */
export function removeTrust(kind: 'system' | 'pin', name: string): number {
  let removed = 0;
  for (const path of [trustPath(), knownPath()]) {
    const lines = existingText(path).split('\n');
    const kept = lines.filter((line) => {
      const [what, which] = line.trim().split(/\s+/);
      return what !== kind || which !== name;
    });
    if (kept.length === lines.length) continue;
    removed += lines.length - kept.length;
    replaceFile(path, kept.join('\n'), 0o600, trustCode);
  }
  forgetTrust();
  return removed;
}

/** One write: lines of two processes never mix. A last line that an editor left open is closed first. */
function append(path: string, line: string): void {
  const text = existingText(path);
  const open = text !== '' && !text.endsWith('\n');
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    appendFileSync(path, `${open ? '\n' : ''}${line}\n`, { mode: 0o600 });
  } catch (error) {
    throw fileError(trustCode, path, 'write', error);
  }
  forgetTrust();
}
