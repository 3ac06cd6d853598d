// TLS 1.3 over node:net, as Caracal's encryption is compared with it: node:tls and node:https, an Ed25519 certificate
// that the client knows beforehand and checks, name included, one SecureContext per process, no session resumption. The
// certificate is its own authority, so a client verifies one signature per handshake: a chain would cost TLS more.

import { createServer as createHttpsServer, Agent as HttpsAgent } from 'node:https';
import {
  type ConnectionOptions,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type TlsOptions,
  connect as tlsConnect,
} from 'node:tls';
import { createCertificate, formatPem } from './certificate.ts';
import { listenOnTcp, parseHostPort, type Transport } from './transport.ts';

const servername = 'bench';
const versions = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

export const tls: Transport = {
  name: 'tls',
  listen(onConnection) {
    const { options, certificate } = serverOptions();
    return listening(createTlsServer(options, onConnection), certificate);
  },
  connect(address, onOpen) {
    const { hostPort, options } = parseAddress(address);
    return tlsConnect({ ...parseHostPort(hostPort), ...options }, onOpen);
  },
  listenHttp(onRequest) {
    const { options, certificate } = serverOptions();
    return listening(createHttpsServer(options, onRequest), certificate);
  },
  http(address, connections) {
    const { hostPort, options } = parseAddress(address);
    const agent = new HttpsAgent({ ...options, keepAlive: true, maxSockets: connections, maxCachedSessions: 0 });
    return { agent, url: `https://${hostPort}/` };
  },
};

function serverOptions(): { options: TlsOptions; certificate: Buffer } {
  const { certificate, privateKey } = createCertificate(servername);
  const cert = formatPem('CERTIFICATE', certificate);
  return { options: { ...versions, cert, key: formatPem('PRIVATE KEY', privateKey) }, certificate };
}

/** host:port#CERTIFICATE */
async function listening(server: Parameters<typeof listenOnTcp>[0], certificate: Buffer): Promise<string> {
  return `${await listenOnTcp(server)}#${certificate.toString('base64url')}`;
}

let shared: SecureContext | undefined;

function parseAddress(address: string): { hostPort: string; options: ConnectionOptions } {
  const [hostPort = '', certificate = ''] = address.split('#');
  const ca = formatPem('CERTIFICATE', Buffer.from(certificate, 'base64url'));
  shared ??= createSecureContext({ ...versions, ca });
  return { hostPort, options: { servername, secureContext: shared, rejectUnauthorized: true } };
}
