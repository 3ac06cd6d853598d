// `caracal get svc://NAME/path`: fetches by service name, from any live instance.

import type { Command } from 'commander';
import { fileNameOf, parseServiceUrl } from '../arguments.ts';
import { download } from '../download.ts';
import { usageError } from '../errors.ts';
import { formatBytes, note, printJson } from '../output.ts';
import { type PathFlags, pathFlags, pathsOf } from '../paths.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';

interface GetOptions extends SecurityFlags, PathFlags {
  readonly output?: string;
  readonly remoteName: boolean;
  readonly json: boolean;
}

export function registerGet(program: Command): void {
  const command = program
    .command('get')
    .description('fetch svc://NAME/path over HTTP from a live instance of the service')
    .argument('<url>', 'svc://NAME/path')
    .option('-o, --output <file>', 'write to FILE (through FILE.part, and going on with one); "-" is stdout')
    .option('-O, --remote-name', 'write to a file named as the URL ends', false)
    .option(
      '--json',
      'print one object as the last line; without a file the content is counted and hashed only',
      false,
    );
  pathFlags(securityFlags(command))
    .addHelpText(
      'after',
      `
Without -o the content goes to stdout. An answer other than 2xx writes nothing and exits with 1.

Examples:
  caracal get svc://web/index.html
  caracal get svc://web/big.iso -o big.iso     stop it, start it again: it goes on
  caracal get svc://web/big.iso -O --paths aggregate --limit wwan0=500MB`,
    )
    .action(run);
}

async function run(text: string, options: GetOptions): Promise<void> {
  const url = parseServiceUrl(text);
  if (options.remoteName && options.output !== undefined) throw usageError('give -o or -O, not both');
  if (options.json && options.output === '-') throw usageError('--json and -o - would both write to stdout');
  const path = options.remoteName ? fileNameOf(url.path) : options.output === '-' ? undefined : options.output;
  const result = await download(
    url,
    path === undefined ? { stream: options.json ? undefined : process.stdout } : { path },
    { security: securityOf(options), paths: pathsOf(options) },
  );
  const { bytes, resumedBytes, seconds } = result;
  const bytesPerSecond = Math.round((bytes - resumedBytes) / Math.max(seconds, 1e-6));
  if (options.json) printJson({ url: text, file: path ?? null, ...result, etag: result.etag ?? null, bytesPerSecond });
  else if (path !== undefined)
    note(`${path}: ${formatBytes(bytes)} in ${seconds.toFixed(2)} s, ${formatBytes(bytesPerSecond)}/s`);
}
