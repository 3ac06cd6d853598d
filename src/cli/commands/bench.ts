// `caracal bench NAME`: runs the benchmarks of a clone (bench/), in a process of their own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../errors.ts';
import { packageRoot } from '../package.ts';

export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure against node:net: stream, rtt, connect, http, router, idle')
    .argument('<name>', 'which one')
    .argument('[options...]', 'passed on; --json prints one object on one line')
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  caracal bench stream
  caracal bench rtt --json`,
    )
    .action(run);
}

async function run(name: string, options: readonly string[]): Promise<void> {
  const program = join(packageRoot, 'dist', 'bench', 'main.js');
  if (!existsSync(program))
    throw new CliError('the benchmarks are not part of the installed package', {
      next: 'npm run bench -- NAME   (in a clone)',
    });
  const child = spawn(process.execPath, [program, name, ...options], { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGTERM', pass).on('SIGINT', pass);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}
