// Module loader hooks: a module imported as `FILE?fuzz=TARGET` and all of the project's files that it reaches are loaded as
// copies of that target's own, so that the fuzzer itself goes on with the plain ones and two targets share nothing. Of the
// copies, the target and core are instrumented; the rest (values of vectors, op codes) would only tell of itself.
// The same functions serve Node's synchronous hooks and, on a thread of their own, the older asynchronous ones.

import { readFileSync } from 'node:fs';
import type { LoadHook, ResolveHook } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instrument } from './instrument.ts';

const parameter = 'fuzz';
/** The folder that the compiled project stands in. */
const root = new URL('../../', import.meta.url);
const runtime = new URL('./coverage.js', import.meta.url).href;
const measured = ['src/core/', 'tests/fuzz/targets/', 'tests/fuzz/planted/'].map((path) => new URL(path, root).href);

/** What to import for an instrumented copy of `url` for `target`. */
export function measuredUrl(url: URL, target: string): string {
  return `${url.href}?${parameter}=${target}`;
}

export const resolve: ResolveHook = (specifier, context, next) => {
  const target = context.parentURL === undefined ? undefined : targetOf(context.parentURL);
  if (target === undefined || !specifier.startsWith('.')) return next(specifier, context);
  const url = measuredUrl(new URL(specifier, context.parentURL), target);
  return { url, format: 'module', shortCircuit: true };
};

export const load: LoadHook = (url, context, next) => {
  const target = targetOf(url);
  if (target === undefined) return next(url, context);
  const file = fileURLToPath(url);
  const plain = readFileSync(file, 'utf8');
  const source = measured.some((folder) => url.startsWith(folder))
    ? instrument(plain, { path: relative(fileURLToPath(root), file), target, runtime })
    : plain;
  return { format: 'module', source, shortCircuit: true };
};

function targetOf(url: string): string | undefined {
  return url.startsWith(root.href) ? (new URL(url).searchParams.get(parameter) ?? undefined) : undefined;
}
