// Changes of the rules by an operator (C1): static next hops and drops, and the weight or priority of any target. They
// reach the stack as `rule` inputs, as all that happens to it does. The input here is JSON from outside: every field is
// checked and unknown fields are refused (a misspelt `weigth` must not be taken for success).

import { type FlowId, formatPrefix, formatServiceId, type Locator, noFlow, type Prefix } from '../core/base/index.ts';
import type { RuleChange } from '../core/stack/index.ts';
import { locatorKey, type RuleInfo, type TargetInfo } from '../core/tables/index.ts';
import { AdminError } from './errors.ts';
import { parseLocator } from './locator.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface RuleContext {
  rules(): readonly RuleInfo[];
  /** Answers how many targets changed. */
  apply(change: RuleChange): number;
  /** A name, an id, or either with `/bits`. Throws TypeError with a code. */
  prefixOf(text: string): Prefix;
}

/** `{prefix, action: 'forward' | 'drop', locators?, protocol?, weight?, priority?}`: the rule as it is then. */
export function addRule(context: RuleContext, fields: Fields): RuleInfo {
  refuseUnknown(fields, ['prefix', 'action', 'locators', 'protocol', 'weight', 'priority']);
  const prefix = context.prefixOf(textOf(fields, 'prefix'));
  const action = textOf(fields, 'action');
  const weight = numberOf(fields, 'weight', 65535);
  const priority = numberOf(fields, 'priority', 65535);
  const share = {
    owner: 'static',
    protocol: numberOf(fields, 'protocol', 255) ?? 0,
    ...(weight === undefined ? {} : { weight }),
    ...(priority === undefined ? {} : { priority }),
  } as const;
  const locators = listOf(fields, 'locators').map(locatorOf);
  if (action === 'forward') {
    if (locators.length === 0) throw bad('"forward" needs at least one locator (ADDRESS:PORT)');
    for (const locator of locators) {
      const target = { ...share, action: 'forward', locator, instance: locatorKey(locator) } as const;
      context.apply({ verb: 'add', prefix, target });
    }
  } else if (action === 'drop') {
    if (locators.length > 0) throw bad('"drop" takes no locators');
    // Above whatever is registered, however preferred that is: a drop is meant to end it.
    const target = { priority: 65535, ...share, action: 'drop', instance: noFlow } as const;
    context.apply({ verb: 'add', prefix, target });
  } else {
    throw bad(`an action is "forward" or "drop", not "${action}"`);
  }
  return ruleAt(context, prefix);
}

/** `{prefix, instance? | locator?, weight?, priority?}`: how many targets were changed. Throws 404 at none. */
export function changeTargets(context: RuleContext, fields: Fields): number {
  refuseUnknown(fields, ['prefix', 'instance', 'locator', 'weight', 'priority']);
  const weight = numberOf(fields, 'weight', 65535);
  const priority = numberOf(fields, 'priority', 65535);
  if (weight === undefined && priority === undefined) throw bad('nothing to change: give "weight" or "priority"');
  const prefix = context.prefixOf(textOf(fields, 'prefix'));
  const instances = selectInstances(context, prefix, fields, (target) => target.action !== 'demux');
  const share = { ...(weight === undefined ? {} : { weight }), ...(priority === undefined ? {} : { priority }) };
  return sum(instances, (instance) => context.apply({ verb: 'set', prefix, instance, ...share }));
}

/** `{prefix, instance? | locator?}`: how many static targets were removed. Throws 404 at none. */
export function removeTargets(context: RuleContext, fields: Fields): number {
  refuseUnknown(fields, ['prefix', 'instance', 'locator']);
  const prefix = context.prefixOf(textOf(fields, 'prefix'));
  const instances = selectInstances(context, prefix, fields, (target) => target.owner === 'static');
  return sum(instances, (instance) => context.apply({ verb: 'remove', prefix, instance }));
}

/** The instances of the targets that `may` admits and that `instance` (its first digits) or `locator` names, if given. */
function selectInstances(
  context: RuleContext,
  prefix: Prefix,
  fields: Fields,
  may: (target: TargetInfo) => boolean,
): FlowId[] {
  const digits = optionalText(fields, 'instance')?.toLowerCase();
  if (digits !== undefined && !/^[0-9a-f]{4,16}$/.test(digits))
    throw bad(`an instance is 4 to 16 hexadecimal digits, not "${digits}"`);
  const locatorText = optionalText(fields, 'locator');
  const wanted = locatorText === undefined ? undefined : instanceText(locatorKey(locatorOf(locatorText)));
  const targets = ruleAt(context, prefix).targets.filter(
    (target) =>
      may(target) &&
      (digits === undefined || target.instance.startsWith(digits)) &&
      (wanted === undefined || (target.instance === wanted && target.owner === 'static')),
  );
  if (targets.length === 0)
    throw new AdminError(404, 'NO_SUCH_TARGET', `the rule ${formatPrefix(prefix)} has no such target`);
  return [...new Set(targets.map(({ instance }) => instance))].map(instanceOf);
}

function ruleAt(context: RuleContext, prefix: Prefix): RuleInfo {
  const service = formatServiceId(prefix.id);
  const found = context.rules().find((rule) => rule.service === service && rule.bits === prefix.bits);
  if (found === undefined) throw new AdminError(404, 'NO_SUCH_RULE', `there is no rule ${formatPrefix(prefix)}`);
  return found;
}

function instanceOf(text: string): FlowId {
  return { hi: Number.parseInt(text.slice(0, 8), 16), lo: Number.parseInt(text.slice(8), 16) };
}

function instanceText({ hi, lo }: FlowId): string {
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
}

function locatorOf(text: string): Locator {
  const locator = parseLocator(text);
  if (locator === undefined) throw bad(`a locator is ADDRESS:PORT (IPv6 in brackets), not "${text}"`);
  return locator;
}

function sum(instances: readonly FlowId[], count: (instance: FlowId) => number): number {
  return instances.reduce((total, instance) => total + count(instance), 0);
}

function refuseUnknown(fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields))
    if (!names.includes(name)) throw bad(`unknown field "${name}"; known are ${names.join(', ')}`);
}

function textOf(fields: Fields, name: string): string {
  const value = optionalText(fields, name);
  if (value === undefined) throw bad(`"${name}" is missing`);
  return value;
}

function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw bad(`"${name}" is not a text`);
  return value;
}

function numberOf(fields: Fields, name: string, most: number): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most)
    throw bad(`"${name}" is a whole number from 0 to ${most}`);
  return value;
}

function listOf(fields: Fields, name: string): readonly string[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string'))
    throw bad(`"${name}" is not a list of texts`);
  return value;
}

function bad(message: string): AdminError {
  return new AdminError(400, 'BAD_REQUEST', message);
}
