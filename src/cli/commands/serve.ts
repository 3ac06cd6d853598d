// `caracal serve SERVICE DIR`: a directory becomes an instance of a service, as static files over HTTP/1.1.

import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Command } from 'commander';
import { serve } from '../../index.ts';
import { announceReady, drainAtStop, graceFlag, stopRequested } from '../daemon.ts';
import { CliError, explain, usageError } from '../errors.ts';
import { formatBytes, note, plural } from '../output.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';
import { type ShareOptions, shareFlags, shareOf } from '../share.ts';
import { createStaticHandler } from '../static/index.ts';

interface ServeOptions extends ShareOptions, SecurityFlags {
  readonly listing: boolean;
  readonly dotfiles: boolean;
  readonly label?: string;
  readonly grace: number;
}

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve the files of DIR over HTTP/1.1 as an instance of SERVICE')
    .argument('<service>', 'a name, or a serviceID')
    .argument('<dir>', 'a directory');
  graceFlag(securityFlags(shareFlags(command), true), 10e6)
    .option('--no-listing', 'answer 404 for a directory without index.html instead of listing it')
    .option('--dotfiles', 'serve names that begin with a dot too', false)
    .option('--label <text>', 'sent with each answer as X-Served-By, to tell instances apart')
    .addHelpText(
      'after',
      `
Examples:
  caracal serve web ./public
  caracal serve web ./public --weight 50      half the share of an instance with the usual 100
  caracal get svc://web/index.html`,
    )
    .action(run);
}

async function run(service: string, folder: string, options: ServeOptions): Promise<void> {
  const stop = stopRequested();
  const root = await existingDirectory(folder);
  const { listing, dotfiles, label, grace } = options;
  if (label !== undefined && !/^[\x20-\x7e]{1,100}$/.test(label))
    throw usageError('--label is up to 100 printable ASCII characters');
  const handler = createStaticHandler({
    root,
    listing,
    showHidden: dotfiles,
    ...(label === undefined ? {} : { label }),
  });
  const served = { requests: 0, bytes: 0 };
  const http = createServer((request, response) => {
    served.requests++;
    response.once('close', () => {
      served.bytes += Number(response.getHeader('content-length') ?? 0);
    });
    handler(request, response);
  });
  const serving = serve(http, service, { ...securityOf(options), ...shareOf(options) });
  await serving.ready.catch((error: unknown) => {
    throw explain(error, `listen as "${service}"`);
  });
  announceReady(`svc://${service}/ serves ${root}`);
  await drainAtStop(serving.server, stop, grace);
  note(`stopped after ${plural(served.requests, 'request')}, ${formatBytes(served.bytes)}`);
}

async function existingDirectory(folder: string): Promise<string> {
  try {
    const real = await realpath(folder);
    if (!(await stat(real)).isDirectory()) throw new CliError(`cannot serve ${folder}: not a directory`);
    await access(real, constants.R_OK | constants.X_OK);
    return real;
  } catch (error) {
    throw explain(error, `serve ${folder}`);
  }
}
