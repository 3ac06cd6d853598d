// One HTTP request over one new connection to a service: what `get`, the demo's client and the admin client share. A new
// connection per request is the point: each is resolved by name anew, so that requests spread over the instances.

import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type SecurityOptions } from '../index.ts';
import { CliError } from './errors.ts';

export interface ServiceRequest {
  readonly service: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  /** No byte for so long: given up. */
  readonly idleMs?: number;
  /** As long may connecting take; the stack's own bound if absent. */
  readonly connectMs?: number;
  readonly security?: SecurityOptions;
}

/** Resolves with the head of the answer; its body is the caller's to read. Rejects as the connection fails. */
export function requestService(options: ServiceRequest): Promise<IncomingMessage> {
  const { service, path, method = 'GET', headers = {}, body, idleMs = 30_000, connectMs, security } = options;
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = request({
      method,
      path,
      headers: { host: `${service.split('@')[0]}.svc`, connection: 'close', ...headers },
      createConnection: () => {
        const socket = connect({ ...security, service, connectTimeout: connectMs });
        // The request listens only a turn later: a failure before that would go unheard.
        socket.once('error', reject);
        return socket;
      },
    });
    outgoing.setTimeout(idleMs, () =>
      outgoing.destroy(new CliError(`no answer from "${service}" for ${idleMs / 1000} s`)),
    );
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
