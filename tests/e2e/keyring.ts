// Keys of services and their instances, in files in the folder of a stage, as `caracal keygen` and `grant` write them; and
// what those do not make: certificates that have run out. keys.test.ts shows the commands.

import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { formatServiceId, makePrefix, parseServiceId } from '../../src/core/base/index.ts';
import { issueCredential, selfCertifyingId } from '../../src/core/security/index.ts';
import {
  generateKey,
  type InstanceKey,
  primitives,
  type SigningKey,
  unixSeconds,
  writeCertificateFile,
  writeKeyFiles,
} from '../../src/keys/index.ts';
import type { Child, Stage } from './harness.ts';
import type { ImpostorOptions } from './programs/impostor.ts';

interface Owner {
  readonly signer: SigningKey;
  readonly subject: InstanceKey;
}

export class Keyring {
  readonly stage: Stage;
  private readonly owners = new Map<string, Owner>();

  constructor(stage: Stage) {
    this.stage = stage;
  }

  path(file: string): string {
    return join(this.stage.folder, file);
  }

  /** Runs a command that must succeed; answers what it printed. */
  async run(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.stage.caracalOnce(line.split(' '));
    assert.equal(code, 0, `caracal ${line}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  /** An instance's key and its certificate by a service key; answers the serviceID of that. `name`: what is granted. */
  make(label: string, name?: string): string {
    const signer = generateKey('service');
    const subject = generateKey('instance');
    if (signer.kind === 'instance' || subject.kind !== 'instance') throw new Error('keys of the wrong kinds');
    writeKeyFiles(this.instance(label), subject);
    this.owners.set(label, { signer, subject });
    const id = selfCertifyingId(primitives, signer.publicKey);
    this.certify(label, name ?? formatServiceId(id));
    return formatServiceId(id);
  }

  /** A second instance of the service of `label`; answers the file of its key. */
  another(label: string, second: string): string {
    const subject = generateKey('instance');
    const { signer } = this.owners.get(label) as Owner;
    if (subject.kind !== 'instance') throw new Error('a key of the wrong kind');
    writeKeyFiles(this.instance(second), subject);
    this.owners.set(second, { signer, subject });
    this.certify(second, formatServiceId(selfCertifyingId(primitives, signer.publicKey)));
    return this.instance(second);
  }

  instance(label: string): string {
    return this.path(`${label}.key`);
  }

  /** A new certificate for the same instance: for a name with its members or for one member, ended so long ago. */
  certify(label: string, name: string, endedSeconds = -3600, bits = 224): void {
    const { signer, subject } = this.owners.get(label) as Owner;
    const notAfterSeconds = unixSeconds() - endedSeconds;
    const dates = { notBeforeSeconds: notAfterSeconds - 86_400, notAfterSeconds };
    const grant = { prefix: makePrefix(parseServiceId(name), bits), ...dates };
    const credential = issueCredential(primitives, signer.seed, subject.keys, grant);
    writeCertificateFile(this.path(`${label}.cert`), credential);
  }

  /** Somebody whom a rule of the router leads names to, whatever its keys are. */
  async impostor(options: ImpostorOptions): Promise<Child> {
    const child = this.stage.program('impostor', [JSON.stringify(options)]);
    const [, port = ''] = await child.line(/^ready (\d+)$/m);
    for (const name of options.names) await this.run(`rules add ${name} forward 127.0.0.1:${port} --priority 100`);
    return child;
  }
}
