// Files of text with a kind and a version in their first line, comments from `#`, and either `field: value` lines or
// base64 (docs/keys.md). New secrets are created with O_EXCL and mode 0600, never over what is there; everything else is
// replaced by rename, so that a reader sees the old file or the new one. PEM was rejected: it holds no comments that
// tools keep, and other tools would take our keys for theirs.

import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { fileError, KeysError, type KeysErrorCode } from './errors.ts';

/** What may be wrong with a line, and where: `path:line`. */
export type Malformed = (line: number, problem: string) => KeysError;

export function malformedIn(code: KeysErrorCode, path: string): Malformed {
  return (line, problem) => new KeysError(code, `${path}:${line}: ${problem}`);
}

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without comment and outer blanks; never empty. */
  readonly text: string;
}

/** The lines that say something. */
export function contentLines(text: string): Line[] {
  return text
    .split('\n')
    .map((line, i) => ({ number: i + 1, text: line.replace(/#.*/, '').trim() }))
    .filter((line) => line.text !== '');
}

/** Checks the first line, `KIND 1`, and answers the others. */
export function bodyLines(text: string, kind: string, malformed: Malformed): Line[] {
  const [first, ...rest] = contentLines(text);
  if (first === undefined || !first.text.startsWith(`${kind} `))
    throw malformed(first?.number ?? 1, `a file of this kind begins with "${kind} 1"`);
  if (first.text !== `${kind} 1`)
    throw malformed(first.number, 'this version of caracal knows version 1 of the format only');
  return rest;
}

/** The bytes of base64 lines; whatever is not base64 is refused. */
export function base64Lines(lines: readonly Line[], malformed: Malformed): Uint8Array {
  for (const { number, text } of lines)
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw malformed(number, 'this is not base64');
  const joined = lines.map(({ text }) => text).join('');
  const bytes = Buffer.from(joined, 'base64');
  if (bytes.toString('base64') !== joined) throw malformed(lines.at(-1)?.number ?? 1, 'the base64 is not complete');
  return new Uint8Array(bytes);
}

/** Lines of 76 characters. */
export function toBase64Lines(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\n');
}

export interface FileText {
  readonly text: string;
  /** Permission bits, as 0o644. */
  readonly mode: number;
}

/** No file of ours is larger: 1,000 revoked serials are 11 KB in base64, 10,000 pins 1 MB. */
const maxFileBytes = 4 * 1024 * 1024;

/** Text and mode are of the same open file. Throws KeysError with `code`. */
export function readTextFile(path: string, code: KeysErrorCode, next?: string): FileText {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > maxFileBytes)
      throw new KeysError(code, `${path} is not a file that caracal has written`, next);
    return { text: readFileSync(fd, 'utf8'), mode: stats.mode & 0o777 };
  } catch (error) {
    throw error instanceof KeysError ? error : fileError(code, path, 'read', error, next);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Creates; an existing file is an error of the system, EEXIST. */
export function createFile(path: string, text: string, mode: number): void {
  const fd = openSync(path, 'wx', mode);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Replaces in one step. Throws KeysError with `code`. */
export function replaceFile(path: string, text: string, mode: number, code: KeysErrorCode): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    createFile(temporary, text, mode);
    renameSync(temporary, path);
  } catch (error) {
    removeQuietly(temporary);
    throw fileError(code, path, 'write', error);
  }
}

export function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not there, or the first error says more.
  }
}

/** `instance.key`, `instance.pub` -> `instance.cert`. */
export function besideFile(path: string, ending: string): string {
  return `${path.replace(/\.(key|pub|cert)$/, '')}.${ending}`;
}
