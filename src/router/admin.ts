// The router's admin API: HTTP and JSON over Caracal itself, under the name `caracal.router`. It reads and changes the
// stack's service table through plain calls; nothing here is on the path of a packet. Every answer is one object with
// `version`; an error has `error: {code, message}`. Plain node:http: nine routes do not need a framework.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatPrefix, formatServiceId, isServiceIdText } from '../core/base/index.ts';
import type { RegistrationInfo } from '../core/control/index.ts';
import type { RuleInfo } from '../core/tables/index.ts';
import { type AdminPeer, keyOf, mayChange, mayRead } from './access.ts';
import { AdminError } from './errors.ts';
import { listRevocations, type RevocationContext, takeRevocations } from './revocations.ts';
import { addRule, changeTargets, type RuleContext, removeTargets } from './rules.ts';

/** What the API shows and changes. */
export interface AdminView extends RuleContext, RevocationContext {
  /** Keys that may change it from anywhere, as serviceIDs in text. */
  readonly operators: ReadonlySet<string>;
  registrations(): readonly RegistrationInfo[];
  counters(): Readonly<Record<string, unknown>>;
  /** The directory: name to prefix in text. */
  names(): ReadonlyMap<string, string>;
}

const maxBodyBytes = 64 * 1024;

export function createAdminHandler(view: AdminView): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    answer(view, request).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => sendError(response, error),
    );
  };
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function answer(view: AdminView, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://caracal.router.svc');
  const [, version, collection, item, rest] = url.pathname.split('/');
  if (version !== 'v1' || rest !== undefined) throw new AdminError(404, 'NOT_FOUND', `no such page: ${url.pathname}`);
  const route = `${request.method === 'HEAD' ? 'GET' : request.method} ${collection}${item === undefined ? '' : '/'}`;
  const peer = peerOf(request);
  admit(view, peer, request.method ?? '', collection ?? '');
  switch (route) {
    case 'GET rules':
      return { status: 200, body: { rules: view.rules() } };
    case 'POST rules':
      return { status: 201, body: { rule: addRule(view, await readBody(request)) } };
    case 'PATCH rules':
      return { status: 200, body: { changed: changeTargets(view, await readBody(request)) } };
    case 'DELETE rules':
      return { status: 200, body: { removed: removeTargets(view, Object.fromEntries(url.searchParams)) } };
    case 'GET services':
      return { status: 200, body: { services: listServices(view) } };
    case 'GET services/':
      return { status: 200, body: { service: describeService(view, decodeURIComponent(item ?? '')) } };
    case 'GET counters':
      return { status: 200, body: view.counters() };
    case 'GET names':
      return { status: 200, body: { names: Object.fromEntries(view.names()) } };
    case 'GET revocations':
      return { status: 200, body: { revocations: listRevocations(view) } };
    case 'POST revocations': {
      const trusted = mayChange(peer, view.operators);
      return { status: 200, body: { revocation: takeRevocations(view, await readBody(request), trusted) } };
    }
    default:
      throw new AdminError(
        ['rules', 'services', 'counters', 'names', 'revocations'].includes(collection ?? '') ? 405 : 404,
        'NOT_FOUND',
        `no such page or method: ${request.method} ${url.pathname}`,
      );
  }
}

/** The socket is one of src/sockets, as `serve` gave it to node:http. */
function peerOf(request: IncomingMessage): AdminPeer | undefined {
  return (request.socket as { peer?: AdminPeer } | null)?.peer;
}

/** A revocation list is its own proof (revocations.ts); for the rest, see access.ts. */
function admit({ operators }: AdminView, peer: AdminPeer | undefined, method: string, collection: string): void {
  const reads = method === 'GET' || method === 'HEAD';
  if (reads ? mayRead(peer, operators) : collection === 'revocations' || mayChange(peer, operators)) return;
  const whom = reads ? 'this machine and private networks' : 'this machine';
  const key = keyOf(peer);
  const how = `caracal router --operator ${key ?? 'SVC-ID'}`;
  const yours = key === undefined ? 'the id of a key that the client proves' : 'your key';
  throw new AdminError(403, 'NOT_AUTHORIZED', `only from ${whom}, or with an operator's key: ${how} admits ${yours}`);
}

/** A service as the router sees it: its registrations, and what the rule under that prefix has done. */
export interface ServiceInfo {
  /** Undefined where no directory names it. */
  readonly name: string | undefined;
  readonly id: string;
  readonly prefix: string;
  readonly resolved: number;
  readonly dropped: number;
  readonly instances: readonly InstanceInfo[];
}

export interface InstanceInfo {
  readonly instance: string;
  readonly protocol: number;
  readonly locator: string;
  readonly weight: number;
  readonly priority: number;
  readonly ageMs: number;
  readonly leaseMs: number;
  readonly resolved: number;
  /** A key vouched for the registration; the key's serviceID, or null. */
  readonly authenticated: boolean;
  readonly key: string | null;
}

function listServices(view: AdminView): ServiceInfo[] {
  const byPrefix = new Map<string, RegistrationInfo[]>();
  for (const registration of view.registrations()) {
    const key = `${registration.service}/${registration.bits}`;
    const group = byPrefix.get(key);
    if (group === undefined) byPrefix.set(key, [registration]);
    else group.push(registration);
  }
  const rules = new Map(view.rules().map((rule) => [`${rule.service}/${rule.bits}`, rule]));
  const names = new Map([...view.names()].map(([name, prefix]) => [prefix, name]));
  return [...byPrefix].map(([key, registrations]) => serviceInfo(key, registrations, rules.get(key), names));
}

function serviceInfo(
  key: string,
  registrations: readonly RegistrationInfo[],
  rule: RuleInfo | undefined,
  names: ReadonlyMap<string, string>,
): ServiceInfo {
  const [id = '', bits] = key.split('/');
  const prefix = bits === '256' ? id : key;
  return {
    name: names.get(prefix),
    id,
    prefix,
    resolved: rule?.resolved ?? 0,
    dropped: rule?.dropped ?? 0,
    instances: registrations.map((registration) => instanceInfo(registration, rule)),
  };
}

/** Weight and priority as the table has them now: an operator may have changed what the instance asked for. */
function instanceInfo(registration: RegistrationInfo, rule: RuleInfo | undefined): InstanceInfo {
  const { instance, protocol, locator, ageMs, leaseMs, authenticated, key } = registration;
  const target = rule?.targets.find(
    (candidate) =>
      candidate.owner === 'registered' && candidate.instance === instance && candidate.protocol === protocol,
  );
  const weight = target?.weight ?? registration.weight;
  const priority = target?.priority ?? registration.priority;
  const resolved = target?.resolved ?? 0;
  return { instance, protocol, locator, weight, priority, ageMs, leaseMs, resolved, authenticated, key };
}

export interface ServiceDescription extends ServiceInfo {
  /** The rules of this id, whatever their length. */
  readonly rules: readonly RuleInfo[];
}

function describeService(view: AdminView, text: string): ServiceDescription {
  const prefix = view.prefixOf(text);
  const id = formatServiceId(prefix.id);
  const known = listServices(view).find((service) => service.prefix === formatPrefix(prefix));
  const rules = view.rules().filter((rule) => rule.service === id);
  if (known === undefined && rules.length === 0)
    throw new AdminError(404, 'NO_SUCH_SERVICE', `no instance of "${text}" is registered and no rule names it`);
  const name = known?.name ?? (isServiceIdText(text) ? undefined : text);
  const bare = { name, id, prefix: formatPrefix(prefix), resolved: 0, dropped: 0, instances: [] };
  return { ...bare, ...known, name, rules };
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new AdminError(413, 'TOO_LARGE', `a body has at most ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new AdminError(400, 'BAD_JSON', 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new AdminError(400, 'BAD_JSON', 'the body is not a JSON object');
  return body as Record<string, unknown>;
}

function send(response: ServerResponse, status: number, body: Readonly<Record<string, unknown>>): void {
  const text = `${JSON.stringify({ version: 1, ...body })}\n`;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

function sendError(response: ServerResponse, error: unknown): void {
  const known = error instanceof AdminError || error instanceof URIError || codedTypeError(error);
  const status = error instanceof AdminError ? error.status : known ? 400 : 500;
  const code = error instanceof AdminError ? error.code : known ? 'BAD_REQUEST' : 'INTERNAL';
  const message = known && error instanceof Error ? error.message : 'internal error';
  send(response, status, { error: { code, message } });
}

/** What the parsers of names and numbers throw: the caller's mistake, not ours. */
function codedTypeError(error: unknown): boolean {
  return (error instanceof TypeError || error instanceof RangeError) && 'code' in error;
}
