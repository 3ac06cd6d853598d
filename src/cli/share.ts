// The flags of every command that makes an instance: its share of the load among the instances of the service.

import type { Command } from 'commander';
import { parseInteger } from './arguments.ts';

export interface ShareOptions {
  readonly weight?: number;
  readonly priority?: number;
}

export function shareFlags(command: Command): Command {
  return command
    .option('--weight <n>', 'share among instances of equal priority, 0 to 65535 (default 100)', (text) =>
      parseInteger(text, '--weight', 0, 65535),
    )
    .option('--priority <n>', 'higher is asked first, lower stands by, 0 to 65535 (default 0)', (text) =>
      parseInteger(text, '--priority', 0, 65535),
    );
}

/** Only what was given, as `listen` takes it. */
export function shareOf({ weight, priority }: ShareOptions): ShareOptions {
  return { ...(weight === undefined ? {} : { weight }), ...(priority === undefined ? {} : { priority }) };
}
