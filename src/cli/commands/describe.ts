// `caracal describe SERVICE`: all that the router knows of one service.

import type { Command } from 'commander';
import type { InstanceInfo, ServiceDescription } from '../../router/index.ts';
import { requireRouter } from '../admin-client.ts';
import { formatDuration, formatPairs, formatTable, print, printJson } from '../output.ts';
import { formatRules, proofOf, protocolName } from './rules.ts';

export function registerDescribe(program: Command): void {
  program
    .command('describe')
    .description('what the router knows of SERVICE: instances, leases, rules, counters')
    .argument('<service>', 'a name, a serviceID or a prefix')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Examples:
  caracal describe web
  caracal describe web --json`,
    )
    .action(run);
}

async function run(name: string, { json }: { json: boolean }): Promise<void> {
  const path = `/v1/services/${encodeURIComponent(name)}`;
  const { service } = await requireRouter<{ service: ServiceDescription }>('GET', path);
  if (json) return printJson({ service });
  print(
    formatPairs([
      ['name', service.name ?? '(not known to the router)'],
      ['id', service.id],
      ['prefix', service.prefix],
      ['keys', keysOf(service.instances)],
      ['resolved', String(service.resolved)],
      ['dropped', String(service.dropped)],
    ]),
  );
  print(service.instances.length === 0 ? '\nno instance is registered' : `\n${formatInstances(service.instances)}`);
  if (service.rules.length > 0) print(`\n${formatRules(service.rules)}`);
}

/** Whose word stands behind the instances: more than one key is worth a look. */
function keysOf(instances: readonly InstanceInfo[]): string {
  const keys = [...new Set(instances.map(({ key }) => key))].filter((key) => key !== null);
  return keys.length === 0 ? 'none: unauthenticated' : keys.map((key) => `svc:${key}`).join(' ');
}

function formatInstances(instances: readonly InstanceInfo[]): string {
  return formatTable(instances, [
    { title: 'instance', value: ({ instance }) => instance },
    { title: 'proto', value: ({ protocol }) => protocolName(protocol) },
    { title: 'at', value: ({ locator }) => locator },
    { title: 'priority', value: ({ priority }) => String(priority), align: 'right' },
    { title: 'weight', value: ({ weight }) => String(weight), align: 'right' },
    { title: 'proof', value: proofOf },
    { title: 'age', value: ({ ageMs }) => formatDuration(ageMs * 1000), align: 'right' },
    { title: 'lease left', value: ({ leaseMs }) => formatDuration(leaseMs * 1000), align: 'right' },
    { title: 'resolved', value: ({ resolved }) => String(resolved), align: 'right' },
  ]);
}
