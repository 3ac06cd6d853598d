// `caracal keygen`: a key of one of the three kinds, in a file of its owner alone (X2).

import { type Command, Option } from 'commander';
import { besideFile, generateKey, type KeyKind, keyName, keyText, writeKeyFiles } from '../../keys/index.ts';
import { usageError } from '../errors.ts';
import { note, print } from '../output.ts';

export function registerKeygen(program: Command): void {
  program
    .command('keygen')
    .description('make a key: for a service, for one of its instances, or for a system of services')
    .argument('<kind>', 'service, instance or system')
    .addOption(new Option('-o, --out <file>', 'the key file').default(undefined, 'KIND.key'))
    .addHelpText(
      'after',
      `
service    signs certificates for the instances of one service; its name is the hash of this key
instance   what a serving program holds; stays on its machine
system     signs for all services of an organisation; keep it offline

Writes FILE (mode 0600) and beside it FILE.pub, to hand out. Never overwrites a file. Prints the name on stdout.

Examples:
  caracal keygen service                     service.key, service.pub
  caracal keygen instance --out web-1.key`,
    )
    .action(run);
}

function run(kind: string, { out }: { out?: string }): void {
  if (kind !== 'service' && kind !== 'instance' && kind !== 'system')
    throw usageError(`a kind is service, instance or system, not "${kind}"`, 'caracal keygen service');
  const key = generateKey(kind);
  const path = out ?? `${kind}.key`;
  const publicPath = writeKeyFiles(path, key);
  print(keyName(key));
  note(`${path}: the key, readable by you alone; ${publicPath}: its public half, to hand out`);
  note(`next: ${nextStep(kind, path, publicPath)}`);
  if (key.kind === 'system') note(`on clients and routers: caracal trust add system NAME ${keyText(key.publicKey)}`);
}

function nextStep(kind: KeyKind, path: string, publicPath: string): string {
  if (kind === 'service') return `caracal keygen instance; caracal grant --key ${path} --to instance.pub`;
  if (kind === 'instance')
    return `caracal grant --key SERVICE.key --to ${publicPath} --out ${besideFile(path, 'cert')}`;
  return `caracal grant --key ${path} --to service.pub --name LABEL --delegate`;
}
