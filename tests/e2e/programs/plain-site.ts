// An HTTP application that gives its answers a length and no ETag: `plain-site SERVICE LABEL BYTES`.

import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { serve } from '../../../src/index.ts';
import { makeContent } from '../content.ts';

const [service = '', label = '', bytes = ''] = process.argv.slice(2);

const http = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': bytes, 'X-Served-By': label });
  Readable.from(makeContent(Number(bytes), 1)).pipe(response);
});
await serve(http, service).ready;
console.log('ready');
