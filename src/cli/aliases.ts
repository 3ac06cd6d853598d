// The whole alias file, for commands that show names beside ids or check the file; the sockets look up one at a time.

import { readFileSync } from 'node:fs';
import { formatPrefix } from '../core/base/index.ts';
import { aliasPath, parseAliases } from '../index.ts';
import { codeOf } from './errors.ts';

export interface Aliases {
  readonly path: string;
  readonly exists: boolean;
  /** Name to prefix in text; empty when the file is malformed. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** What is wrong with the file, with its line. */
  readonly problem: string | undefined;
}

export function readAliases(): Aliases {
  const path = aliasPath();
  try {
    const aliases = parseAliases(readFileSync(path, 'utf8'), path);
    const prefixes = new Map([...aliases].map(([name, prefix]) => [name, formatPrefix(prefix)]));
    return { path, exists: true, prefixes, problem: undefined };
  } catch (error) {
    const exists = codeOf(error) !== 'ENOENT';
    return { path, exists, prefixes: new Map(), problem: exists ? (error as Error).message : undefined };
  }
}
