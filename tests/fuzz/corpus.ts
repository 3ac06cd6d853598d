// The committed inputs of a target: the folder corpora/TARGET, one per file. Names are free, but for two kinds that the
// fuzzer writes: crash-HASH made the target throw once, cov-HASH takes a way that no other file of the folder takes.
// Both are named by content, so that the same find on two machines is one file.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repository } from '../vectors/load.ts';

export interface CorpusFile {
  readonly name: string;
  readonly data: Uint8Array;
}

const coverage = 'cov';

export function readCorpus(target: string): CorpusFile[] {
  const folder = corpusFolder(target);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).sort();
  return files.map((file) => ({ name: file, data: new Uint8Array(readFileSync(join(folder, file))) }));
}

/** Answers the path of the file. */
export function writeCrash(target: string, data: Uint8Array): string {
  return write(target, 'crash', data);
}

/** Whether the fuzzer chose the file for the way that it takes. */
export function isCoverage(file: CorpusFile): boolean {
  return file.name.startsWith(`${coverage}-`);
}

/** Makes these the target's cov-HASH files, in place of those before. */
export function replaceCoverage(target: string, inputs: readonly Uint8Array[]): void {
  for (const file of readCorpus(target)) if (isCoverage(file)) unlinkSync(join(corpusFolder(target), file.name));
  for (const data of inputs) write(target, coverage, data);
}

function write(target: string, kind: string, data: Uint8Array): string {
  const folder = corpusFolder(target);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${kind}-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`);
  writeFileSync(path, data);
  return path;
}

function corpusFolder(target: string): string {
  return fileURLToPath(new URL(`tests/fuzz/corpora/${target}`, repository));
}
