// What every long-running command shares: one `ready` line on stdout once it is bound and registered, and an orderly
// end at SIGTERM or SIGINT. A second signal ends it at once, for the person who does not want to wait.

import { once } from 'node:events';
import type { Command } from 'commander';
import type { Server } from '../index.ts';
import { parseDurationUs } from './arguments.ts';
import { note, plural, print } from './output.ts';
import { type Resettable, reset } from './relay.ts';

/** `what` reads after "ready", on one line. */
export function announceReady(what: string): void {
  print(`ready ${what}`);
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process with 128 + its number. */
export function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (code: number) => (): void => {
      if (asked) process.exit(code);
      asked = true;
      resolve();
    };
    process.on('SIGTERM', onSignal(143));
    process.on('SIGINT', onSignal(130));
  });
}

/**
 * Resolves when `server` is closed and its last connection has ended: because `stop` resolved, which gives what is under way
 * `graceUs`, or because something else has drained it.
 */
export async function drainAtStop(server: Server, stop: Promise<void>, graceUs: number): Promise<void> {
  const stopped = await Promise.race([stop.then(() => true), once(server, 'close').then(() => false)]);
  if (!stopped) return;
  const { moved, ended, reset } = await server.drain({ deadlineMs: graceUs / 1000 });
  if (moved + ended + reset > 0) note(`${plural(moved, 'connection')} sent on, ${ended} ended, ${reset} reset`);
}

/** Resolves with `work`, or after `graceMs` with undefined. */
export async function withinGrace<T>(work: Promise<T>, graceMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, graceMs, undefined);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** The connections of a daemon, so that it can let them finish, for a while, before it breaks them off. */
export class LiveConnections {
  readonly #live = new Set<Resettable>();

  add(connection: Resettable): void {
    this.#live.add(connection);
    connection.once('close', () => this.#live.delete(connection));
  }

  /** Resolves when all have ended, at the latest after `graceMs`; those left over are reset. */
  async drain(graceMs: number): Promise<void> {
    const ends = [...this.#live].map((one) => new Promise<void>((resolve) => one.once('close', () => resolve())));
    await withinGrace(Promise.all(ends), graceMs);
    for (const connection of this.#live) reset(connection);
  }
}

/** How long connections may go on after SIGTERM, in microseconds. */
export function graceFlag(command: Command, defaultUs: number): Command {
  const parse = (text: string): number => parseDurationUs(text, '--grace', 0, 3600e6);
  const note = `how long what is under way may take after SIGTERM (default: ${defaultUs / 1e6}s)`;
  return command.addOption(command.createOption('--grace <time>', note).argParser(parse).default(defaultUs, ''));
}
