// What is fuzzed. A target is a module below targets/ that exports `fuzz(data)`, which throws when something does not hold
// and is otherwise silent; it may export bounds of its own. Loaded plainly it is replayed by the tests at full speed;
// loaded measured, it and the core that it reaches tell which way each input took (hooks.ts).

import { readdirSync } from 'node:fs';
import module from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Dictionary, dictionaryOf, suspend } from './coverage.ts';
import * as hooks from './hooks.ts';

/** The bytes are the fuzzer's and change after the call: keep a copy or nothing. */
export type Fuzz = (data: Uint8Array) => void;

export interface Target {
  readonly name: string;
  readonly fuzz: Fuzz;
  /** Inputs are not made longer. */
  readonly maxBytes: number;
  /** Branches that one input may take before it counts as a hang; without instrumentation there is no such bound. */
  readonly stepLimit: number;
  readonly dictionary: Dictionary;
}

interface TargetModule {
  readonly fuzz?: unknown;
  readonly maxBytes?: number;
  readonly stepLimit?: number;
}

const defaultMaxBytes = 2048;
const defaultStepLimit = 2_000_000;
/** Compiled or not, targets have the ending of this file. */
const extension = extname(fileURLToPath(import.meta.url));
const folders = { targets: new URL('./targets/', import.meta.url), planted: new URL('./planted/', import.meta.url) };

export function targetNames(): string[] {
  return readdirSync(folders.targets)
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

/** As it is. Throws when the module exports no `fuzz`. */
export async function loadTarget(name: string): Promise<Target> {
  return targetOf(name, await import(urlOf(name, 'targets').href));
}

/** Instrumented, with copies of its own of all that it imports. `planted`: one of the engine's own tests. */
export async function loadMeasured(name: string, folder: keyof typeof folders = 'targets'): Promise<Target> {
  installHooks();
  suspend();
  return targetOf(name, await import(hooks.measuredUrl(urlOf(name, folder), name)));
}

function urlOf(name: string, folder: keyof typeof folders): URL {
  return new URL(name + extension, folders[folder]);
}

function targetOf(name: string, loaded: TargetModule): Target {
  const { fuzz, maxBytes = defaultMaxBytes, stepLimit = defaultStepLimit } = loaded;
  if (typeof fuzz !== 'function') throw new TypeError(`the target ${name} exports no function "fuzz"`);
  return { name, fuzz: fuzz as Fuzz, maxBytes, stepLimit, dictionary: dictionaryOf(name) };
}

let installed = false;

/** On this thread where Node can do that (22.15 on), which is quicker to start. */
function installHooks(): void {
  if (installed) return;
  installed = true;
  const { registerHooks } = module as { registerHooks?: (hooks: object) => void };
  if (registerHooks !== undefined) registerHooks({ resolve: hooks.resolve, load: hooks.load });
  else module.register(new URL(`./hooks${extension}`, import.meta.url));
}
