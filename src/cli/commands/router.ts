// `caracal router`: the service router with its embedded controller and its admin service, in the foreground.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { formatServiceId } from '../../core/base/index.ts';
import { isKeyId, parseShared } from '../../core/security/index.ts';
import { defaultLeaseUs } from '../../core/stack/index.ts';
import { readTrust } from '../../keys/index.ts';
import {
  type RouterOptions as CreateOptions,
  createRouter,
  parseNames,
  type Router,
  routerPort,
} from '../../router/index.ts';
import { parseDurationUs, parsePort } from '../arguments.ts';
import { announceReady, stopRequested } from '../daemon.ts';
import { CliError, codeOf, explain, usageError } from '../errors.ts';
import { printJson } from '../output.ts';

interface RouterOptions {
  readonly port: number;
  readonly host?: string;
  readonly lease: number;
  readonly names?: string;
  readonly trust?: string;
  readonly discovery: boolean;
  readonly requireKeys: boolean;
  readonly learning: boolean;
  readonly operator: readonly string[];
  readonly json: boolean;
}

export function registerRouter(program: Command): void {
  program
    .command('router')
    .description('resolve first packets by service name, and keep the registrations')
    .option('-p, --port <port>', 'UDP port; 0 takes a free one', (text) => parsePort(text, '--port', 0), routerPort)
    .option('--host <address>', 'bind this address only (default: all of this machine, IPv4 and IPv6)')
    .option(
      '--lease <time>',
      'longest lease: how soon a dead instance is gone that sent no heartbeats',
      parseLease,
      defaultLeaseUs,
    )
    .option('--names <file>', 'answer name queries from FILE (lines: name serviceID)')
    .option('--trust <file>', 'keys of service systems and of pinned labels (default: the trust file)')
    .option('--no-discovery', 'do not answer those who search for a router by multicast')
    .option('--require-keys', 'take no registration that no key vouches for', false)
    .option('--operator <id>', 'let this key change the router from anywhere; may be repeated', parseOperator, [])
    .option(
      '--no-learning',
      'say from the start that unknown names are unknown, not "try later" for a third of a lease',
    )
    .option('--json', 'print the final counters as one object on the last line', false)
    .addHelpText(
      'after',
      `
Examples:
  caracal router
  caracal router --require-keys --operator svc:ID-OF-MY-KEY
  caracal router --host 192.0.2.1 --names /etc/caracal/names
  CARACAL_ROUTER=192.0.2.1:54324 caracal serve web ./public     on another machine`,
    )
    .action(run);
}

function parseLease(text: string): number {
  return parseDurationUs(text, '--lease', 1e6, 3600e6);
}

/** `svc:ID` or the id alone: what `caracal keygen` prints. */
function parseOperator(text: string, before: readonly string[]): readonly string[] {
  const id = parseShared(text)?.id;
  if (id === undefined || !isKeyId(id)) throw usageError(`--operator is the id of a key (svc:...), not "${text}"`);
  return [...before, formatServiceId(id)];
}

async function run(options: RouterOptions): Promise<void> {
  const stop = stopRequested();
  const names = options.names === undefined ? new Map() : await readNames(options.names);
  const router = await start({
    port: options.port,
    leaseUs: options.lease,
    names,
    discoverable: options.discovery,
    requireKeys: options.requireKeys,
    trust: readTrust(options.trust === undefined ? process.env : { ...process.env, CARACAL_TRUST: options.trust })
      .trust,
    operators: options.operator,
    ...(options.learning ? {} : { learningUs: 0 }),
    ...(options.host === undefined ? {} : { host: options.host }),
  });
  announceReady(`router on ${router.addresses.join(' and ')}`);
  await stop;
  const counters = router.counters();
  await router.close();
  if (options.json) printJson({ addresses: router.addresses, ...counters });
}

async function readNames(path: string): Promise<ReturnType<typeof parseNames>> {
  try {
    return parseNames(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (codeOf(error) === 'ERR_INVALID_ALIAS') throw new CliError((error as Error).message);
    throw explain(error, `read ${path}`);
  }
}

async function start(options: CreateOptions): Promise<Router> {
  const { port = routerPort, host } = options;
  try {
    return await createRouter(options);
  } catch (error) {
    const where = host === undefined ? `UDP port ${port}` : `UDP port ${port} of ${host}`;
    throw explain(error, `bind ${where}`, codeOf(error) === 'EADDRINUSE' ? 'caracal router --port 0' : undefined);
  }
}
