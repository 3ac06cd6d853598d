// What an operator may ask of a running program from outside (`caracal drain`, `caracal shed`): the servers of each driver
// stand here while they have a name or connections, and one request goes to all that serve the name it gives. Programs
// need do nothing for it.

import type { Driver } from '../core/stack/index.ts';
import type { DrainOptions, DrainResult, ShedOptions, ShedResult } from './departures.ts';

/** A server as an operator sees it. */
export interface Operated {
  /** In text. */
  readonly prefix: string;
  connections(): number;
  drain(options: DrainOptions): Promise<DrainResult>;
  shed(options: ShedOptions): Promise<ShedResult>;
}

/** `service`: a prefix in text; null: all servers of the process. */
export type OperateRequest =
  | { readonly operation: 'drain'; readonly service: string | null; readonly deadlineMs: number }
  | {
      readonly operation: 'shed';
      readonly service: string | null;
      readonly fraction: number;
      readonly timeoutMs: number;
    };

/** Meanwhile: the connections that are left. */
export interface OperateProgress {
  readonly left: number;
}

const progressMs = 100;
const byDriver = new WeakMap<Driver, Set<Operated>>();

/** Until the answered function is called. */
export function noteServer(driver: Driver, server: Operated): () => void {
  const servers = byDriver.get(driver) ?? new Set();
  byDriver.set(driver, servers.add(server));
  return () => servers.delete(server);
}

/** Resolves with the figures of all servers together. Rejects what is no request, and what no server here is meant by. */
export async function operate(
  driver: Driver,
  request: unknown,
  tell: (progress: OperateProgress) => void,
): Promise<DrainResult | ShedResult> {
  const asked = request as OperateRequest;
  if (asked?.operation !== 'drain' && asked?.operation !== 'shed') throw new Error('it knows no such request');
  const { service } = asked;
  const servers = [...(byDriver.get(driver) ?? [])].filter(({ prefix }) => service === null || prefix === service);
  if (servers.length === 0) throw new Error('it serves no such name');
  const report = (): void => tell({ left: servers.reduce((sum, server) => sum + server.connections(), 0) });
  const timer = setInterval(report, progressMs);
  try {
    if (asked.operation === 'drain') {
      const all = await Promise.all(servers.map((server) => server.drain(asked)));
      return { moved: total(all, 'moved'), ended: total(all, 'ended'), reset: total(all, 'reset') };
    }
    const all = await Promise.all(servers.map((server) => server.shed(asked)));
    return { asked: total(all, 'asked'), moved: total(all, 'moved') };
  } finally {
    clearInterval(timer);
  }
}

function total<Key extends string>(all: readonly { readonly [Each in Key]: number }[], key: Key): number {
  return all.reduce((sum, one) => sum + one[key], 0);
}
