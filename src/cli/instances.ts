// The instances of a service that this user runs here, and requests to them: what `caracal drain` and `caracal shed` share.
// Signals were rejected as the way to ask: they carry no deadline and bring no figures back, and end a program that does
// not expect them.

import { formatPrefix } from '../core/base/index.ts';
import { askStack } from '../io/index.ts';
import { labelId, type OperateProgress, type OperateRequest, parseTarget } from '../sockets/index.ts';
import { readAliases } from './aliases.ts';
import { CliError } from './errors.ts';
import { note, plural } from './output.ts';
import { readStacks, type StackStatus } from './statuses.ts';

/** Who is to be relieved may well be slow to answer. */
const patienceMs = 10_000;

export interface Instance {
  readonly pid: number;
  readonly program: string;
  /** Of its status socket. */
  readonly path: string;
  /** The prefix that it is asked for; null: all that it serves. */
  readonly service: string | null;
  /** The names of those, for people. */
  readonly names: readonly string[];
}

/** Those that serve the name, serviceID or prefix `target`, or all of the process with that id. Throws if there is none. */
export async function findInstances(target: string): Promise<Instance[]> {
  const stacks = (await readStacks(patienceMs)).filter(({ listeners }) => listeners.some(isStream));
  const whole = stacks.filter(({ pid }) => String(pid) === target);
  if (whole.length > 0) return whole.map((stack) => instanceOf(stack, null));
  const prefix = prefixOf(target, stacks);
  const found = stacks.filter(({ listeners }) => listeners.some((one) => isStream(one) && one.service === prefix));
  if (found.length > 0) return found.map((stack) => instanceOf(stack, prefix));
  const what = /^\d+$/.test(target) ? `no process ${target} of this user serves anything here` : undefined;
  throw new CliError(what ?? `no program of this user serves "${target}" here`, { next: 'caracal ls' });
}

/** As a program here that listens to it understands a name; else as the alias file does, or its label. */
function prefixOf(target: string, stacks: readonly StackStatus[]): string {
  const { prefix, name = '' } = parseTarget(target);
  if (prefix !== undefined) return formatPrefix(prefix);
  for (const { names, listeners } of stacks)
    for (const { service } of listeners) if (names[service] === name) return service;
  return readAliases().prefixes.get(name) ?? formatPrefix({ id: labelId(name), bits: 256 });
}

function instanceOf({ pid, program, path, listeners, names }: StackStatus, service: string | null): Instance {
  const served = listeners.filter((one) => isStream(one) && (service === null || one.service === service));
  return { pid, program, path, service, names: served.map((one) => names[one.service] ?? one.service) };
}

function isStream({ protocol }: { readonly protocol: string }): boolean {
  return protocol === 'stream';
}

/** What an instance answered, or why it did not. */
export type Outcome<Result> = Instance & ({ readonly result: Result } | { readonly error: string });

type RequestOf = (instance: Instance) => OperateRequest;

/** Asks all at once, and shows how many connections are left meanwhile. */
export async function askInstances<Result>(
  instances: readonly Instance[],
  requestOf: RequestOf,
): Promise<Outcome<Result>[]> {
  const left = new Map<Instance, number>();
  const show = (): void => {
    const sum = [...left.values()].reduce((total, one) => total + one, 0);
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${plural(sum, 'connection')} left`);
  };
  const outcomes = instances.map(async (instance): Promise<Outcome<Result>> => {
    try {
      const onProgress = (progress: object): void => {
        left.set(instance, Number((progress as OperateProgress).left));
        show();
      };
      return { ...instance, result: (await askStack(instance.path, requestOf(instance), onProgress)) as Result };
    } catch (error) {
      return { ...instance, error: (error as Error).message };
    } finally {
      left.set(instance, 0);
    }
  });
  const all = await Promise.all(outcomes);
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  return all;
}

/** Says which instances did not do as they were asked, and why. Answers whether there are any. */
export function noteFailures(outcomes: readonly Outcome<unknown>[], doing: string): boolean {
  const failed = outcomes.filter((outcome) => 'error' in outcome);
  for (const { program, pid, error } of failed as { program: string; pid: number; error: string }[])
    note(`caracal: cannot ${doing} ${program} (${pid}): ${error}`);
  return failed.length > 0;
}
