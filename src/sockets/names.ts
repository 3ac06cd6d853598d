// From what people write to a serviceID (N1, N4): text ids and prefixes stand for themselves; a name goes through the
// alias file, then the router's directory where there is one, and is otherwise its label's id, so that `connect('echo')`
// works with no set-up. Answers come at once unless the directory must be asked: a connect costs no extra turn.
// Names are compared in lower case, because URL parsers write them so.

import {
  formatPrefix,
  formatServiceId,
  isServiceIdText,
  lowerCase,
  makePrefix,
  memberBits,
  type Prefix,
  parsePrefix,
  type ServiceId,
  serviceIdBytes,
} from '../core/base/index.ts';
import { checkLabel, parseShared } from '../core/security/index.ts';
import type { Driver } from '../core/stack/index.ts';
import { lookupAlias } from './aliases.ts';
import { queryDirectory } from './directory.ts';
import { misuse } from './errors.ts';
import { labelId } from './labels.ts';

/**
 * A name (`echo`, `echo.svc`, `svc://echo`), a serviceID or prefix in text, `svc:NAME@ID` with the fingerprint of the key
 * that NAME must have, `svc:ID`, or 32 bytes.
 */
export type ServiceName = string | Uint8Array;

/** A checked service name. `text` is what errors and `remoteService` show. */
export interface Target {
  readonly text: string;
  /** Known at once for ids and prefixes. */
  readonly prefix: Prefix | undefined;
  /** The name to be resolved, without a fingerprint. */
  readonly name?: string;
  /** The self-certifying serviceID of the key that must stand behind the name. */
  readonly expects?: ServiceId;
}

/** Throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_SERVICE_ID or ERR_INVALID_SERVICE_NAME. */
export function parseTarget(service: ServiceName): Target {
  if (service instanceof Uint8Array) {
    const id = serviceIdBytes(service);
    return { text: formatServiceId(id), prefix: { id, bits: memberBits } };
  }
  if (typeof service !== 'string')
    throw misuse('ERR_INVALID_ARG_TYPE', `a service is a name, a serviceID or 32 bytes, not ${typeof service}`);
  const text = bareName(service);
  const shared = text.includes('@') ? parseShared(text) : undefined;
  if (shared?.name !== undefined && shared.id !== undefined)
    return {
      text: `${shared.name}@${formatServiceId(shared.id)}`,
      prefix: undefined,
      name: shared.name,
      expects: shared.id,
    };
  if (isServiceIdText(text.split('/')[0] ?? '')) {
    const prefix = parsePrefix(text);
    return { text: formatPrefix(prefix), prefix };
  }
  checkLabel(text);
  return { text, prefix: undefined, name: text };
}

/** Calls `answer` once, synchronously unless a router is still being looked for or its directory must be asked. */
export function resolveTarget(
  driver: Driver,
  target: Target,
  answer: (error: Error | undefined, prefix: Prefix) => void,
): void {
  if (target.prefix) {
    answer(undefined, target.prefix);
    return;
  }
  const name = target.name ?? target.text;
  const named = (prefix: Prefix): void => {
    remember(name, prefix);
    answer(undefined, prefix);
  };
  const labelled = (): Prefix => ({ id: labelId(name), bits: memberBits });
  let alias: Prefix | undefined;
  let problem: Error | undefined;
  try {
    alias = lookupAlias(name);
  } catch (error) {
    problem = error as Error;
  }
  if (problem) answer(problem, labelled());
  else if (alias) named(alias);
  else
    whenRouterKnown(driver, () => {
      if (!driver.hasDirectory?.()) named(labelled());
      else queryDirectory(driver, name, (id) => named(id ? { id, bits: memberBits } : labelled()));
    });
}

/** A process that has just begun does not know its router yet, and so not who could be asked. */
function whenRouterKnown(driver: Driver, callback: () => void): void {
  if (driver.whenRouterKnown) driver.whenRouterKnown(callback);
  else callback();
}

const mostRemembered = 1000;
const remembered = new Map<string, string>();

/** The names that this process used last, by what they stood for in text: so that tools need not show bare ids. */
export function namesInUse(): Readonly<Record<string, string>> {
  return Object.fromEntries(remembered);
}

function remember(name: string, prefix: Prefix): void {
  const key = formatPrefix(prefix);
  if (remembered.get(key) === name) return;
  if (remembered.size >= mostRemembered) remembered.clear();
  remembered.set(key, name);
}

/** What a name stands for, as connect and listen see it. Rejects as `parseTarget` throws, or for a bad alias file. */
export function resolveService(driver: Driver, service: ServiceName): Promise<Prefix> {
  return new Promise((resolve, reject) => {
    resolveTarget(driver, parseTarget(service), (error, prefix) => (error ? reject(error) : resolve(prefix)));
  });
}

/** A shorter or equal prefix of what was resolved, for binding: `bits` undefined leaves it. */
export function narrow(prefix: Prefix, bits: number | undefined): Prefix {
  return bits === undefined ? prefix : makePrefix(prefix.id, bits);
}

/** `svc://Echo/path`, `svc:Echo`, `echo.svc` and `Echo` are all `echo`. */
function bareName(text: string): string {
  const url = /^svc:(?:\/\/)?([^/?#]*)/i.exec(text);
  return lowerCase(url?.[1] ?? text).replace(/\.svc\.?$/, '');
}
