// Where targets and their corpora are. A target is a module below targets/ that exports `fuzz(data)`; its corpus is the
// folder corpora/TARGET: one input per file, whatever its name; those that made it throw are called crash-HASH.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { repository } from '../vectors/load.ts';
import type { Target } from './campaign.ts';

export interface CorpusFile {
  readonly name: string;
  readonly data: Uint8Array;
}

export function targetNames(): string[] {
  return readdirSync(targets)
    .filter((file) => extname(file) === extension)
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

/** Throws when the module exports no `fuzz`. */
export async function loadTarget(name: string): Promise<Target> {
  const module: { fuzz?: Target } = await import(pathToFileURL(join(targets, name + extension)).href);
  if (typeof module.fuzz !== 'function') throw new TypeError(`targets/${name} exports no function "fuzz"`);
  return module.fuzz;
}

export function readCorpus(name: string): CorpusFile[] {
  const folder = corpusFolder(name);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).sort();
  return files.map((file) => ({ name: file, data: new Uint8Array(readFileSync(join(folder, file))) }));
}

/** Answers the path of the file. */
export function writeCrash(name: string, data: Uint8Array): string {
  const folder = corpusFolder(name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `crash-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`);
  writeFileSync(path, data);
  return path;
}

/** Compiled or not, targets have the ending of this file. */
const extension = extname(fileURLToPath(import.meta.url));
const targets = fileURLToPath(new URL('./targets/', import.meta.url));

function corpusFolder(name: string): string {
  return fileURLToPath(new URL(`tests/fuzz/corpora/${name}`, repository));
}
