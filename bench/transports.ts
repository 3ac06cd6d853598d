// The transports by name: Caracal as it is by default, Caracal in the clear, node:net, and TLS from tls.ts.

import { createServer as createHttpServer, Agent as HttpAgent } from 'node:http';
import { createServer as createNetServer, connect as netConnect } from 'node:net';
import * as caracal from '../src/index.ts';
import { identify } from './identify.ts';
import { findPeer, unsupported } from './peers.ts';
import { tls } from './tls.ts';
import { listenOnTcp, parseHostPort, type Transport } from './transport.ts';

const net: Transport = {
  name: 'net',
  listen: (onConnection) => listenOnTcp(createNetServer(onConnection)),
  connect: (address, onOpen) => netConnect(parseHostPort(address), onOpen),
  listenHttp: (onRequest) => listenOnTcp(createHttpServer(onRequest)),
  http: (address, connections) => ({
    agent: new HttpAgent({ keepAlive: true, maxSockets: connections }),
    url: `http://${address}/`,
  }),
};

/** All clients are at one address. */
const flowsPerPeer = 2 ** 18;

/** `options` go with every call of the API, the identification's with those of the server. */
function createCaracal(name: string, options: object): Transport {
  return {
    name,
    listen(onConnection) {
      const { service, identity } = identify();
      const driver = caracal.createDriver({ limits: { flowsPerPeer } });
      const server = caracal.createServer({ ...options, identity, driver }, onConnection);
      return new Promise((resolve, reject) => {
        server.on('error', reject).listen(service, () => resolve(service));
      });
    },
    connect(address, onOpen) {
      const socket = caracal.connect({ service: address, ...options });
      return onOpen === undefined ? socket : socket.once('connect', onOpen);
    },
    async listenHttp(onRequest) {
      const { service, identity } = identify();
      await caracal.serve(createHttpServer(onRequest), service, { ...options, identity }).ready;
      return service;
    },
    http: (address, connections) => ({
      agent: new caracal.Agent({ keepAlive: true, maxSockets: connections, ...options }),
      url: `http://${address}.svc/`,
    }),
  };
}

/** A process chooses its link once, when it is first needed. */
function onFallbackLink(transport: Transport): Transport {
  const choose = (): void => {
    process.env['CARACAL_LINK'] = 'dgram';
  };
  return {
    ...transport,
    listen(onConnection) {
      choose();
      return transport.listen(onConnection);
    },
    connect(address, onOpen) {
      choose();
      return transport.connect(address, onOpen);
    },
  };
}

const transports: readonly Transport[] = [
  createCaracal('caracal', {}),
  createCaracal('caracal-bbr', { congestion: 'bbr' }),
  createCaracal('caracal-insecure', { insecure: true }),
  onFallbackLink(createCaracal('caracal-dgram', {})),
  onFallbackLink(createCaracal('caracal-insecure-dgram', { insecure: true })),
  tls,
  net,
];

/** One of another name is a benchmark's own affair: nothing can be carried over it. */
export function findTransport(name: string): Transport {
  return transports.find((transport) => transport.name === name) ?? findPeer(name) ?? unsupported(name);
}
