// From a request target to a file under the root, and never outside it. Two fences: the text (no "..", no encoded
// separator, no NUL, no hidden name), then the file system (the real path, links followed, must lie under the real
// root). Percent-encoding is decoded exactly once, after splitting on "/".

import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

export type PathResult =
  | { readonly ok: true; readonly segments: readonly string[]; readonly directory: boolean }
  | { readonly ok: false; readonly status: 400 | 404 };

/** Splits a request target (origin-form or absolute-form) into safe file names. `directory`: it ends with "/". */
export function splitTarget(target: string, showHidden = false): PathResult {
  const path = pathOf(target);
  if (path === undefined) return { ok: false, status: 400 };
  const segments: string[] = [];
  for (const raw of path.split('/')) {
    const name = decodeSegment(raw);
    if (name === undefined) return { ok: false, status: 400 };
    if (name === '' || name === '.') continue;
    if (name === '..' || /[/\\\0]/.test(name)) return { ok: false, status: 400 };
    if (name.startsWith('.') && !showHidden && name !== '.well-known') return { ok: false, status: 404 };
    segments.push(name);
  }
  return { ok: true, segments, directory: /\/\.?$/.test(path) };
}

function pathOf(target: string): string | undefined {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target);
  const rest = absolute === null ? target : target.slice(absolute[0].length);
  const path = rest.replace(/[?#].*$/s, '');
  if (path === '' && absolute !== null) return '/';
  return path.startsWith('/') ? path : undefined;
}

function decodeSegment(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

/** The real path of `segments` under `realRoot` (itself a real path); undefined when it leaves the root. Throws ENOENT. */
export async function realPathUnder(realRoot: string, segments: readonly string[]): Promise<string | undefined> {
  const real = await realpath(join(realRoot, ...segments));
  const fence = realRoot.endsWith(sep) ? realRoot : realRoot + sep;
  return real === realRoot || real.startsWith(fence) ? real : undefined;
}
