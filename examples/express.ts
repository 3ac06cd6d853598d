// An Express application at a service's name, and global fetch reaching it: a connector turns undici, which fetch is
// made of, to services; hosts that do not end in `.svc` go where they always went.

import express from 'express';
import { Agent, buildConnector, setGlobalDispatcher } from 'undici';
import { connector, serve } from '../src/index.ts';

const app = express();
app.get('/hello/:name', (request, response) => void response.json({ hello: request.params.name }));

const serving = serve(app, 'greeter');
await serving.ready;
console.log('ready: http://greeter.svc/hello/NAME');

const dispatcher = new Agent({ connect: connector({ otherwise: buildConnector({}) }) });
setGlobalDispatcher(dispatcher);
const response = await fetch('http://greeter.svc/hello/world');
console.log(response.status, await response.json());
await dispatcher.close();

if (process.argv.includes('--once')) await serving.close();
