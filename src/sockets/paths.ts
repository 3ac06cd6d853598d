// Several ways at once for one connection, as an application asks for them and sees them (docs/protocol.md, "Several flows").
// Interfaces have names here, addresses never show (N3). That a name is of an interface which this machine does not have is no
// mistake: it may come later.

import type { Driver, PathInfo, PathPolicy, SocketId } from '../core/stack/index.ts';
import { misuse, say } from './errors.ts';

/** `aggregate`: all interfaces at once. `backup`: one of them, and others while that is down. */
export type PathMode = PathPolicy['mode'];

export interface PathOptions {
  /** Default: `aggregate`, or `backup` where an interface is preferred. */
  readonly mode?: PathMode | undefined;
  /** Interfaces by name, the best first, all others behind them: data goes by the best that works. */
  readonly prefer?: string | readonly string[] | undefined;
  /** Bytes that this connection may move over an interface, by its name, both ways together; 0: it is not used. */
  readonly limits?: Readonly<Record<string, number>> | undefined;
}

/** One of the ways that a connection goes by. */
export interface Path extends Omit<PathInfo, 'rttUs'> {
  /** Milliseconds; 0: not measured yet. */
  readonly rttMs: number;
}

/** What a stack makes of it; undefined: a single flow. Throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE. */
export function readPaths(paths: PathMode | PathOptions | undefined): PathPolicy | undefined {
  if (paths === undefined) return undefined;
  if (typeof paths === 'string') return { mode: modeOf(paths) };
  if (typeof paths !== 'object' || paths === null || Array.isArray(paths))
    throw misuse(
      'ERR_INVALID_ARG_TYPE',
      `paths is "aggregate", "backup" or { mode, prefer, limits }, not ${say(paths)}`,
    );
  const prefer = preferOf(paths.prefer);
  const mode = modeOf(paths.mode ?? (prefer === undefined ? 'aggregate' : 'backup'));
  if (mode === 'aggregate' && prefer !== undefined)
    throw misuse(
      'ERR_INVALID_ARG_VALUE',
      'paths: data goes by all interfaces (aggregate) or by the preferred one, not both',
    );
  const maxBytes = limitsOf(paths.limits);
  return { mode, ...(prefer === undefined ? {} : { prefer }), ...(maxBytes === undefined ? {} : { maxBytes }) };
}

function modeOf(mode: unknown): PathMode {
  if (mode === 'aggregate' || mode === 'backup') return mode;
  throw misuse('ERR_INVALID_ARG_VALUE', `the mode of paths is "aggregate" or "backup", not ${say(mode)}`);
}

function preferOf(prefer: PathOptions['prefer']): readonly string[] | undefined {
  if (prefer === undefined) return undefined;
  const names: readonly unknown[] = Array.isArray(prefer) ? prefer : [prefer];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== ''))
    throw misuse(
      'ERR_INVALID_ARG_VALUE',
      `paths.prefer names interfaces, as "eth0" or ["eth0", "wlan0"], not ${say(prefer)}`,
    );
  return names as readonly string[];
}

function limitsOf(limits: unknown): Readonly<Record<string, number>> | undefined {
  if (limits === undefined) return undefined;
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits))
    throw misuse('ERR_INVALID_ARG_TYPE', `paths.limits is bytes by interface, as { wwan0: 1e9 }, not ${say(limits)}`);
  for (const [name, bytes] of Object.entries(limits))
    if (typeof bytes !== 'number' || !(bytes >= 0))
      throw misuse(
        'ERR_INVALID_ARG_VALUE',
        `paths.limits: ${name} may carry a number of bytes of at least 0, not ${say(bytes)}`,
      );
  return limits as Record<string, number>;
}

export function pathsOf(driver: Driver, socket: SocketId): Path[] {
  return (driver.pathsOf?.(socket) ?? []).map(pathOf);
}

export function pathOf({ rttUs, ...info }: PathInfo): Path {
  return { ...info, rttMs: rttUs / 1000 };
}
