// The running stacks of this user as the commands see them: what each process tells on its status socket (src/io).
// Other versions may run beside this one, so nothing of what they say is taken for granted.

import type { FlowInfo, ListenerInfo } from '../core/stack/index.ts';
import { readStatuses } from '../io/index.ts';
import { readAliases } from './aliases.ts';

export interface StackStatus {
  readonly pid: number;
  /** Where requests go (`askStack`). */
  readonly path: string;
  readonly program: string;
  readonly router: string | null;
  readonly listeners: readonly ListenerInfo[];
  readonly flows: readonly FlowInfo[];
  /** Names that the process uses, by the id in text that they stand for. */
  readonly names: Readonly<Record<string, string>>;
}

/** Empty where there is no runtime directory to look into. `patienceMs`: for processes that are busy; a second if absent. */
export async function readStacks(patienceMs?: number): Promise<StackStatus[]> {
  const statuses = await readStatuses(patienceMs).catch(() => []);
  return statuses
    .filter(({ pid }) => pid !== process.pid)
    .map((status) => ({
      pid: status.pid,
      path: String(status.path),
      program: String(status.program),
      router: typeof status['router'] === 'string' ? status['router'] : null,
      listeners: listOf<ListenerInfo>(status['listeners']),
      flows: listOf<FlowInfo>(status['flows']),
      names: recordOf(status['names']),
    }));
}

/** Names for ids: the user's aliases first, then those that running programs use. */
export function nameBook(
  stacks: readonly StackStatus[],
  others: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  const book = new Map<string, string>(others);
  for (const { names } of stacks) for (const [id, name] of Object.entries(names)) book.set(id, String(name));
  for (const [name, prefix] of readAliases().prefixes) book.set(prefix, name);
  return book;
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? value : [];
}

function recordOf(value: unknown): Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, string>) : {};
}
