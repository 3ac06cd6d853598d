// Somebody who listens to names that are not its own. What `createServer` would refuse is told to the stack itself: any
// key, any certificate that is for that key, for any name. It registers nowhere; a rule has to lead to it.
//
// Arguments: one JSON object (`ImpostorOptions`). Prints `ready PORT`, then `connection` for each that was opened and
// `data TEXT` for what came.

import { bindIdentity } from '../../../src/core/security/index.ts';
import type { Event } from '../../../src/core/stack/index.ts';
import { createDriver, parseServiceId } from '../../../src/index.ts';
import { besideFile, readCertificateFile, readKeyFile } from '../../../src/keys/index.ts';

export interface ImpostorOptions {
  /** serviceIDs. */
  readonly names: readonly string[];
  /** Path of an instance key, a certificate beside it; absent: it has no key. */
  readonly key?: string;
  readonly insecure?: boolean;
}

const { names, key, insecure = false } = JSON.parse(process.argv[2] ?? '{}') as ImpostorOptions;
const driver = createDriver({ address: '127.0.0.1', discovery: '127.0.0.1:9', adHoc: false });
await driver.ready;
for (const name of names) {
  const socket = driver.handle({
    kind: 'listen',
    service: parseServiceId(name),
    bits: 256,
    protocol: 6,
    security: { insecure, ...(key === undefined ? {} : { identity: readIdentity(key) }) },
  });
  driver.attach(socket, take);
}
console.log(`ready ${driver.report().link.port}`);

function take(event: Event): void {
  if (event.kind === 'end') driver.handle({ kind: 'end', socket: event.socket });
  if (event.kind === 'data') console.log(`data ${Buffer.from(event.bytes).toString()}`);
  if (event.kind !== 'connection') return;
  console.log('connection');
  driver.attach(event.connection, take);
  driver.handle({ kind: 'read', socket: event.connection, bytes: 1 << 20 });
}

/** Without asking whether it is valid. */
function readIdentity(path: string) {
  const file = readKeyFile(path);
  if (file.kind !== 'instance') throw new Error(`${path} is not an instance key`);
  return bindIdentity(file.keys, readCertificateFile(besideFile(path, 'cert'), '')) as NonNullable<
    ReturnType<typeof bindIdentity>
  >;
}
