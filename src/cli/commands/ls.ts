// `caracal ls`: the services that the router knows; without a router, those that listen on this machine.

import type { Command } from 'commander';
import type { InstanceInfo, ServiceInfo } from '../../router/index.ts';
import { askRouter, noRouter } from '../admin-client.ts';
import { formatDuration, formatTable, note, plural, print, printJson } from '../output.ts';
import { nameBook, readStacks, type StackStatus } from '../statuses.ts';
import { proofOf, protocolName } from './rules.ts';

export function registerLs(program: Command): void {
  program
    .command('ls')
    .description('list services and their instances')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
A service is listed by its id where neither the router's directory, the alias file nor a program running here
has a name for it.

Examples:
  caracal ls
  caracal ls --json`,
    )
    .action(run);
}

async function run({ json }: { json: boolean }): Promise<void> {
  const [answer, stacks] = await Promise.all([
    askRouter<{ services: ServiceInfo[] }>('GET', '/v1/services'),
    readStacks(),
  ]);
  const names = nameBook(stacks);
  if (answer !== undefined) {
    const services = answer.services.map((service) => ({
      ...service,
      name: service.name ?? names.get(service.prefix) ?? null,
    }));
    if (json) return printJson({ mode: 'router', services });
    print(services.length === 0 ? 'no service is registered' : formatServices(services));
    return;
  }
  // A router that was named and does not answer is a failure; only without one is ad hoc what was meant.
  if (process.env['CARACAL_ROUTER']) throw noRouter();
  const local = listLocal(stacks, names);
  if (json) return printJson({ mode: 'ad hoc', services: local });
  note('no router: services of this user on this machine, found ad hoc');
  print(local.length === 0 ? 'no service listens here' : formatLocal(local));
}

interface Line {
  readonly service: NamedService;
  readonly instance: InstanceInfo;
  readonly first: boolean;
}

type NamedService = Omit<ServiceInfo, 'name'> & { readonly name: string | null };

function formatServices(services: readonly NamedService[]): string {
  const lines = services.flatMap((service) =>
    service.instances.map((instance, i): Line => ({ service, instance, first: i === 0 })),
  );
  return formatTable(lines, [
    { title: 'service', value: ({ service, first }) => (first ? (service.name ?? service.prefix) : '') },
    {
      title: 'instances',
      value: ({ service, first }) => (first ? String(service.instances.length) : ''),
      align: 'right',
    },
    { title: 'instance', value: ({ instance }) => instance.instance },
    { title: 'proto', value: ({ instance }) => protocolName(instance.protocol) },
    { title: 'weight', value: ({ instance }) => String(instance.weight), align: 'right' },
    { title: 'priority', value: ({ instance }) => String(instance.priority), align: 'right' },
    { title: 'proof', value: ({ instance }) => proofOf(instance) },
    { title: 'lease left', value: ({ instance }) => formatDuration(instance.leaseMs * 1000), align: 'right' },
    { title: 'resolved', value: ({ instance }) => String(instance.resolved), align: 'right' },
  ]);
}

interface LocalInstance {
  readonly pid: number;
  readonly program: string;
  readonly protocol: string;
  readonly authenticated: boolean;
}

interface LocalService {
  readonly name: string | null;
  readonly prefix: string;
  readonly instances: readonly LocalInstance[];
}

function listLocal(stacks: readonly StackStatus[], names: ReadonlyMap<string, string>): LocalService[] {
  const byPrefix = new Map<string, LocalInstance[]>();
  for (const { pid, program, listeners } of stacks)
    for (const { service, protocol, authenticated } of listeners) {
      const instances = byPrefix.get(service) ?? [];
      instances.push({ pid, program, protocol, authenticated: authenticated === true });
      byPrefix.set(service, instances);
    }
  return [...byPrefix].map(([prefix, instances]) => ({ name: names.get(prefix) ?? null, prefix, instances }));
}

function formatLocal(services: readonly LocalService[]): string {
  return formatTable(services, [
    { title: 'service', value: ({ name, prefix }) => name ?? prefix },
    { title: 'instances', value: ({ instances }) => plural(instances.length, 'instance') },
    { title: 'proof', value: ({ instances }) => [...new Set(instances.map(proofOf))].join(', ') },
    { title: 'by', value: ({ instances }) => instances.map(({ program, pid }) => `${program} (${pid})`).join(', ') },
  ]);
}
