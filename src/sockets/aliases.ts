// The alias file: a person's own names for services, outside the stack (N4), as /etc/hosts is for addresses. Lines
// `name serviceID-or-prefix # comment`. It is read again when it changes, checked at most once a second, so that a
// busy client does not stat a file per connection. A bad line is an error with its place, never skipped: a name that
// silently meant something else would be worse.

import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { lowerCase, type Prefix, parsePrefix } from '../core/base/index.ts';

const recheckMs = 1000;

interface AliasFile {
  readonly path: string;
  checkedAtMs: number;
  /** Modification time and size; undefined when there is no file. */
  stamp: string | undefined;
  aliases: ReadonlyMap<string, Prefix>;
}

let current: AliasFile | undefined;

/** $CARACAL_ALIASES, else caracal/aliases in $XDG_CONFIG_HOME or ~/.config. */
export function aliasPath(env: NodeJS.ProcessEnv = process.env): string {
  return env['CARACAL_ALIASES'] || join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'caracal', 'aliases');
}

/** What the alias file says of a name (lower case). Throws an Error that names file and line when it is malformed. */
export function lookupAlias(name: string): Prefix | undefined {
  const path = aliasPath();
  const nowMs = performance.now();
  if (current?.path !== path) current = { path, checkedAtMs: Number.NEGATIVE_INFINITY, stamp: '', aliases: new Map() };
  if (nowMs - current.checkedAtMs >= recheckMs) refresh(current, nowMs);
  return current.aliases.get(name);
}

/** Names in lower case. Throws an Error with code ERR_INVALID_ALIAS that names `path` and the line. */
export function parseAliases(text: string, path: string): Map<string, Prefix> {
  const aliases = new Map<string, Prefix>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    if (words[0] === '') continue;
    const problem = addAlias(aliases, words);
    if (problem !== undefined)
      throw Object.assign(new Error(`${path}:${index + 1}: ${problem}`), { code: 'ERR_INVALID_ALIAS' });
  }
  return aliases;
}

function addAlias(aliases: Map<string, Prefix>, words: string[]): string | undefined {
  const [name = '', target, extra] = words;
  if (target === undefined || extra !== undefined)
    return `a line is "name serviceID-or-prefix", this has ${words.length} word${words.length === 1 ? '' : 's'}`;
  if (aliases.has(lowerCase(name))) return `"${name}" is defined twice`;
  try {
    aliases.set(lowerCase(name), parsePrefix(target));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function refresh(file: AliasFile, nowMs: number): void {
  const stat = statSync(file.path, { throwIfNoEntry: false });
  const stamp = stat && `${stat.mtimeMs} ${stat.size}`;
  if (stamp !== file.stamp) {
    file.aliases = stamp === undefined ? new Map() : parseAliases(readFileSync(file.path, 'utf8'), file.path);
    file.stamp = stamp;
  }
  file.checkedAtMs = nowMs;
}
