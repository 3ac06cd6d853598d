// The router's admin API as the commands use it (src/router/admin.ts is the other side): JSON over a connection to the
// service `caracal.router`, found as every service is: the router in use resolves its own name to itself. An answer of
// the API that is not 2xx becomes an error with its message.

import { text } from 'node:stream/consumers';
import { formatServiceId, labelId } from '../index.ts';
import { routerService } from '../router/index.ts';
import { CliError, codeOf, explain } from './errors.ts';
import { requestService } from './http.ts';
import { securityOf } from './security.ts';

/** By its id: the directory that a name would be looked up in is the router's own. */
const service = formatServiceId(labelId(routerService));

const startRouter = 'caracal router   (or set CARACAL_ROUTER=ADDRESS:PORT)';
const idleMs = 10_000;
/** Four SYNs: a router that is there answers the first. */
const connectMs = 3_000;

/** Undefined when no router can be found; throws CliError for every other failure. */
export async function askRouter<T>(method: string, path: string, body?: unknown): Promise<T | undefined> {
  let answer: { status: number; text: string };
  try {
    const response = await requestService({
      service,
      path,
      method,
      idleMs,
      connectMs,
      security: securityOf({}),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    answer = { status: response.statusCode ?? 0, text: await text(response) };
  } catch (error) {
    if (['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(codeOf(error) ?? '')) return undefined;
    throw explain(error, 'ask the router', 'caracal doctor');
  }
  return parseAnswer(answer.status, answer.text) as T;
}

/** As `askRouter`, but having no router is an error. */
export async function requireRouter<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await askRouter<T>(method, path, body);
  if (answer === undefined) throw noRouter();
  return answer;
}

export function noRouter(): CliError {
  const fixed = process.env['CARACAL_ROUTER'];
  const where = fixed ? `at CARACAL_ROUTER=${fixed}` : 'at 127.0.0.1:54324 or on the local network';
  return new CliError(`no router answers ${where}`, { next: startRouter });
}

function parseAnswer(status: number, body: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new CliError(`the router answered ${status} with something that is not JSON`, { next: 'caracal doctor' });
  }
  if (status >= 200 && status < 300) return parsed;
  const error = (parsed as { error?: { message?: string } } | null)?.error;
  throw new CliError(`the router refused: ${error?.message ?? `status ${status}`}`);
}
