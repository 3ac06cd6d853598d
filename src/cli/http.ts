// One HTTP request over one new connection to a service: what `get`, the demo's client and the admin client share. A new
// connection per request is the point: each is resolved by name anew, so that requests spread over the instances. An
// answer goes on at another instance if its own is lost, where that can be.

import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { connectResuming, type PathOptions, type Resumed, type SecurityOptions } from '../index.ts';
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
  /** Several interfaces at once. */
  readonly paths?: PathOptions | undefined;
  /** Told each time it went on at another instance. */
  readonly onResumed?: (resumed: Resumed) => void;
}

/** Resolves with the head of the answer; its body is the caller's to read. Rejects as the connection fails. */
export function requestService(options: ServiceRequest): Promise<IncomingMessage> {
  const {
    service,
    path,
    method = 'GET',
    headers = {},
    body,
    idleMs = 30_000,
    connectMs,
    security,
    paths,
    onResumed,
  } = options;
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = request({
      method,
      path,
      headers: { host: `${service.split('@')[0]}.svc`, connection: 'close', ...headers },
      createConnection: () => {
        const socket = connectResuming({ ...security, service, paths, connectTimeout: connectMs });
        if (onResumed !== undefined) socket.on('resumed', onResumed);
        // The request listens only a turn later: a failure before that would go unheard.
        socket.once('error', reject);
        return socket;
      },
    });
    outgoing.setTimeout(idleMs, () =>
      outgoing.destroy(new CliError(`no answer from "${service}" for ${idleMs / 1000} s`)),
    );
    outgoing.once('response', (response: IncomingMessage) => {
      // Node's own word for a break within an answer is "aborted"; what happened is told to the request.
      outgoing.on('error', (error) => response.destroy(error));
      resolve(response);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
