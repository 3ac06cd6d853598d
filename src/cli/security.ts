// The flags about keys that commands share, and how the command line tells what the sockets warn of: as a note on
// stderr, in one line, instead of Node's form for libraries.

import type { Command } from 'commander';
import type { SecurityOptions } from '../index.ts';
import { note } from './output.ts';

export interface SecurityFlags {
  readonly identity?: string;
  readonly insecure?: boolean;
  readonly requireKey?: boolean;
}

/** `--identity` and `--insecure`; a server also takes `--require-key`. */
export function securityFlags(command: Command, server = false): Command {
  command
    .option('--identity <file>', 'an instance key, its certificate beside it (default: $CARACAL_IDENTITY)')
    .option('--insecure', 'send data in the clear if the other end wants that too; names are still checked');
  return server ? command.option('--require-key', 'refuse clients that prove no name') : command;
}

/** What was given, as sockets take it. */
export function securityOf({ identity, insecure, requireKey }: SecurityFlags): SecurityOptions & {
  readonly requireKey?: boolean;
} {
  const path = identity ?? (process.env['CARACAL_IDENTITY'] || undefined);
  return {
    ...(path === undefined ? {} : { identity: path }),
    ...(insecure ? { insecure } : {}),
    ...(requireKey ? { requireKey } : {}),
  };
}

/** Warnings of our own sockets in the style of the command line; all others as Node prints them. */
export function noteWarnings(): void {
  const [print] = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name === 'CaracalWarning') note(`caracal: ${warning.message}`);
    else print?.(warning);
  });
}
