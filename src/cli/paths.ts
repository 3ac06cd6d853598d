// The flags by which a command uses several interfaces at once, as sockets take it (`paths` of connect).

import type { Command } from 'commander';
import type { PathOptions } from '../index.ts';
import { usageError } from './errors.ts';

export interface PathFlags {
  readonly paths?: string;
  readonly limit?: readonly string[];
}

export function pathFlags(command: Command): Command {
  return command
    .option('--paths <how>', 'several interfaces: "aggregate" (all at once), "backup", or names, the best first')
    .option(
      '--limit <interface=bytes>',
      'no more than so many bytes over an interface (500MB); 0: not at all; may be repeated',
      (one: string, before: readonly string[] = []) => [...before, one],
    );
}

/** What was given; undefined: one flow, as the routes say. Throws a usage error. */
export function pathsOf({ paths, limit }: PathFlags): PathOptions | undefined {
  if (paths === undefined && limit === undefined) return undefined;
  const limits = limit === undefined ? {} : { limits: Object.fromEntries(limit.map(parseLimit)) };
  if (paths === undefined || paths === 'aggregate' || paths === 'backup')
    return { mode: paths ?? 'aggregate', ...limits };
  const prefer = paths.split(',');
  if (prefer.includes(''))
    throw usageError(`--paths is "aggregate", "backup" or interfaces such as eth0,wlan0, not "${paths}"`);
  return { prefer, ...limits };
}

const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1e3],
  ['m', 1e6],
  ['g', 1e9],
  ['t', 1e12],
]);

function parseLimit(text: string): [string, number] {
  const match = /^([^=]+)=(\d+(?:\.\d+)?)([kmgt]?)b?$/i.exec(text);
  const unit = units.get(match?.[3]?.toLowerCase() ?? '-');
  if (match?.[1] === undefined || unit === undefined)
    throw usageError(`--limit is an interface and bytes such as wwan0=500MB, not "${text}"`);
  return [match[1], Math.floor(Number(match[2]) * unit)];
}
