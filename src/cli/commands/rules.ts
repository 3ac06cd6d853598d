// `caracal rules`: reads and changes the router's service table (C1). What the router does with a first packet is one
// rule here: longest prefix, then priority, then weight.

import type { Command } from 'commander';
import type { RuleInfo, TargetInfo } from '../../core/tables/index.ts';
import { requireRouter } from '../admin-client.ts';
import { parseHostPort, parseInteger } from '../arguments.ts';
import { usageError } from '../errors.ts';
import { formatTable, plural, print, printJson } from '../output.ts';

interface ChangeOptions {
  readonly priority?: number;
  readonly weight?: number;
  readonly json?: boolean;
}

interface SetOptions extends ChangeOptions {
  readonly instance?: string;
  readonly locator?: string;
}

const jsonHelp = 'print one object as the last line';

const share = (text: string, what: string): number => parseInteger(text, what, 0, 65535);

export function registerRules(program: Command): void {
  const rules = program
    .command('rules')
    .description("read or change the router's rules")
    .option('--json', jsonHelp)
    .addHelpText(
      'after',
      `
PREFIX is a name, a serviceID, or either with /BITS: web, web/224, aaaa...aa/64.

Examples:
  caracal rules
  caracal rules add web forward 192.0.2.7:40000 --priority 50     a stand-by next hop
  caracal rules add web drop                                      refuse it at once
  caracal rules set web --instance 3f2a --weight 10               less for one instance
  caracal rules rm web                                            take the static targets away`,
    )
    .action(({ json }: { json?: boolean }) => list(json === true));
  rules
    .command('add')
    .description('add a static target to the rule of PREFIX')
    .argument('<prefix>')
    .argument('<action>', 'forward or drop')
    .argument('[locators...]', 'ADDRESS:PORT of next hops, for forward')
    .option('--priority <n>', 'higher goes first (default 0; drop 65535)', (text) => share(text, '--priority'))
    .option('--weight <n>', 'share at equal priority (default 100)', (text) => share(text, '--weight'))
    .option('--json', jsonHelp)
    .action((prefix: string, action: string, locators: string[], options: ChangeOptions, command: Command) =>
      add(prefix, action, locators, withJson(options, command)),
    );
  rules
    .command('set')
    .description('change weight or priority of targets, registered ones too')
    .argument('<prefix>')
    .option('--instance <id>', 'only this instance (its first digits do)')
    .option('--locator <address:port>', 'only this next hop')
    .option('--priority <n>', 'higher goes first', (text) => share(text, '--priority'))
    .option('--weight <n>', 'share at equal priority', (text) => share(text, '--weight'))
    .option('--json', jsonHelp)
    .action((prefix: string, options: SetOptions, command: Command) => set(prefix, withJson(options, command)));
  rules
    .command('rm')
    .description('remove static targets from the rule of PREFIX')
    .argument('<prefix>')
    .argument('[locator]', 'only this next hop')
    .option('--json', jsonHelp)
    .action((prefix: string, locator: string | undefined, options: ChangeOptions, command: Command) =>
      remove(prefix, locator, withJson(options, command)),
    );
}

/** `rules --json add ...` and `rules add ... --json` are the same. */
function withJson<T extends ChangeOptions>(options: T, command: Command): T {
  return { ...options, json: options.json === true || command.parent?.opts()['json'] === true };
}

async function list(json: boolean): Promise<void> {
  const { rules } = await requireRouter<{ rules: RuleInfo[] }>('GET', '/v1/rules');
  if (json) return printJson({ rules });
  print(rules.length === 0 ? 'no rules' : formatRules(rules));
}

async function add(
  prefix: string,
  action: string,
  locators: readonly string[],
  { json, weight, priority }: ChangeOptions,
): Promise<void> {
  if (action !== 'forward' && action !== 'drop') throw usageError(`an action is forward or drop, not "${action}"`);
  if (action === 'forward' && locators.length === 0)
    throw usageError('forward needs at least one ADDRESS:PORT', `caracal rules add ${prefix} forward 192.0.2.7:40000`);
  if (action === 'drop' && locators.length > 0) throw usageError('drop takes no ADDRESS:PORT');
  for (const locator of locators) parseHostPort(locator, 'a locator');
  const body = { prefix, action, locators, weight, priority };
  const { rule } = await requireRouter<{ rule: RuleInfo }>('POST', '/v1/rules', body);
  if (json) printJson({ rule });
  else print(formatRules([rule]));
}

async function set(prefix: string, { json, ...fields }: SetOptions): Promise<void> {
  const { weight, priority, instance, locator } = fields;
  if (weight === undefined && priority === undefined)
    throw usageError('nothing to change: give --weight or --priority', `caracal rules set ${prefix} --weight 50`);
  const body = { prefix, weight, priority, instance, locator };
  const { changed } = await requireRouter<{ changed: number }>('PATCH', '/v1/rules', body);
  if (json) printJson({ changed });
  else print(`${plural(changed, 'target')} changed`);
}

async function remove(prefix: string, locator: string | undefined, { json }: ChangeOptions): Promise<void> {
  const query = new URLSearchParams({ prefix, ...(locator === undefined ? {} : { locator }) });
  const { removed } = await requireRouter<{ removed: number }>('DELETE', `/v1/rules?${query}`);
  if (json) printJson({ removed });
  else print(`${plural(removed, 'target')} removed`);
}

interface Line {
  readonly rule: RuleInfo;
  readonly target: TargetInfo;
  readonly first: boolean;
}

/** One line per target; the prefix stands on a rule's first line only. */
export function formatRules(rules: readonly RuleInfo[]): string {
  const lines = rules.flatMap((rule) => rule.targets.map((target, i): Line => ({ rule, target, first: i === 0 })));
  return formatTable(lines, [
    { title: 'prefix', value: ({ rule, first }) => (first ? prefixText(rule) : '') },
    { title: 'action', value: ({ target }) => target.action },
    { title: 'to', value: ({ target }) => target.locator ?? (target.action === 'demux' ? 'this router' : '-') },
    { title: 'proto', value: ({ target }) => protocolName(target.protocol) },
    { title: 'priority', value: ({ target }) => String(target.priority), align: 'right' },
    { title: 'weight', value: ({ target }) => String(target.weight), align: 'right' },
    { title: 'owner', value: ({ target }) => target.owner },
    { title: 'instance', value: ({ target }) => target.instance },
    { title: 'resolved', value: ({ target }) => String(target.resolved), align: 'right' },
    { title: 'dropped', value: ({ target }) => String(target.dropped), align: 'right' },
  ]);
}

function prefixText({ service, bits }: RuleInfo): string {
  return bits === 256 ? service : `${service}/${bits}`;
}

/** Whether a key vouches for an instance, as every listing of instances says it. */
export function proofOf({ authenticated }: { readonly authenticated: boolean }): string {
  return authenticated ? 'authenticated' : 'unauthenticated';
}

export function protocolName(protocol: number): string {
  const names = new Map([
    [0, 'any'],
    [6, 'stream'],
    [17, 'datagram'],
  ]);
  return names.get(protocol) ?? String(protocol);
}
