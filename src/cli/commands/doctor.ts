// `caracal doctor`: what this machine gives the stack and what it lacks, with what to do about it.

import type { Command } from 'commander';
import {
  addressWatchReport,
  cryptoReport,
  type LinkReport,
  linkReport,
  Multicast,
  runtimeDirectory,
} from '../../io/index.ts';
import { askRouter } from '../admin-client.ts';
import { readAliases } from '../aliases.ts';
import { type Check, formatCheck } from '../check.ts';
import { CliError, reasonOf } from '../errors.ts';
import { formatBytes, plural, print, printJson } from '../output.ts';
import { checkKeys } from './doctor-keys.ts';

/** Below this the kernel's buffers hold less than one burst of a fast flow. */
const goodBufferBytes = 4 * 1024 * 1024;
const multicastWaitMs = 500;

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check this machine: link, buffers, cryptography, multicast, router, alias file, keys and trust')
    .option('--json', 'print one object as the last line', false)
    .addHelpText(
      'after',
      `
Exits with 1 when something will not work.

Examples:
  caracal doctor
  CARACAL_LINK=dgram caracal doctor`,
    )
    .action(run);
}

async function run({ json }: { json: boolean }): Promise<void> {
  const checks: Check[] = [checkNode()];
  try {
    checks.push(...checkLink(await linkReport()));
  } catch (error) {
    checks.push({
      name: 'link',
      status: 'fail',
      detail: reasonOf(error),
      advice: 'unset CARACAL_LINK, or CARACAL_LINK=dgram',
    });
  }
  checks.push(checkAddressWatch(), checkCrypto(), await checkMulticast(), await checkRouter(), checkAliases());
  checks.push(...checkKeys(), checkRuntimeDirectory());
  const failed = checks.filter(({ status }) => status === 'fail').length;
  if (json) printJson({ ok: failed === 0, checks });
  else for (const check of checks) print(formatCheck(check));
  if (failed > 0) throw new CliError(`${plural(failed, 'check')} failed`);
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const detail = `${process.version} on ${process.platform}-${process.arch}`;
  if (major > 20 || (major === 20 && minor >= 19)) return { name: 'node', status: 'ok', detail };
  return { name: 'node', status: 'fail', detail, advice: 'Node 20.19 or newer' };
}

function checkLink(link: LinkReport): Check[] {
  const offload = link.kind === 'offload';
  const detail = `${link.kind}: ${link.why} (${link.kernel})`;
  const checks: Check[] = [
    offload || link.forced
      ? { name: 'link', status: 'ok', detail }
      : { name: 'link', status: 'warn', detail, advice: 'Linux 4.18 or newer and the package koffi, for speed' },
  ];
  const features = [
    `segmentation ${yes(link.segmentation)}`,
    `coalescing ${yes(link.coalescing)}`,
    `path MTU search ${yes(link.dontFragment)}`,
  ].join(', ');
  checks.push({ name: 'offload', status: link.segmentation && link.coalescing ? 'ok' : 'warn', detail: features });
  checks.push(checkBuffers(link));
  checks.push({ name: 'ipv6', status: link.ipv6 ? 'ok' : 'warn', detail: link.ipv6 ? 'yes' : 'no: IPv4 only' });
  return checks;
}

function yes(flag: boolean): string {
  return flag ? 'yes' : 'no';
}

function checkBuffers(link: LinkReport): Check {
  const { receiveBufferBytes, sendBufferBytes } = link;
  const detail = `receive ${formatBytes(receiveBufferBytes)}, send ${formatBytes(sendBufferBytes)}`;
  if (receiveBufferBytes >= goodBufferBytes && sendBufferBytes >= goodBufferBytes)
    return { name: 'buffers', status: 'ok', detail };
  const advice = 'as root: sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608';
  return { name: 'buffers', status: 'warn', detail: `${detail}: small for fast networks`, advice };
}

/** How soon connections notice that this machine's addresses have changed. */
function checkAddressWatch(): Check {
  const { kind, why } = addressWatchReport();
  if (kind === 'netlink') return { name: 'addresses', status: 'ok', detail: 'changes are told at once (netlink)' };
  const detail = `changes are noticed within 3 s: ${why}`;
  return {
    name: 'addresses',
    status: 'warn',
    detail,
    advice: 'Linux and the package koffi, for moves without a pause',
  };
}

function checkCrypto(): Check {
  try {
    const { kind, why, version } = cryptoReport();
    const detail = `${kind === 'openssl' ? "Node's OpenSSL" : 'node:crypto'}: ${why} (OpenSSL ${version})`;
    if (kind === 'openssl' || why === 'asked for') return { name: 'crypto', status: 'ok', detail };
    const advice =
      "a node binary from nodejs.org, which exports its OpenSSL's symbols, and the package koffi, for speed";
    return { name: 'crypto', status: 'warn', detail, advice };
  } catch (error) {
    return { name: 'crypto', status: 'fail', detail: reasonOf(error), advice: 'unset CARACAL_CRYPTO' };
  }
}

/** Sends one packet to a group on this machine and waits to hear it. */
async function checkMulticast(): Promise<Check> {
  const group = { address: Uint8Array.of(239, 255, 67, 67), port: 49152 + (process.pid % 16000) };
  let heard: () => void = () => {};
  const hearing = new Promise<boolean>((resolve) => {
    heard = () => resolve(true);
  });
  const receiver = new Multicast({ group, received: () => heard() });
  const sender = new Multicast({ group, received() {} });
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.all([receiver.listen(), sender.listen()]);
    const probe = new Uint8Array(16);
    sender.send(probe, probe.length);
    const silence = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, multicastWaitMs, false);
    });
    if (await Promise.race([hearing, silence]))
      return {
        name: 'multicast',
        status: 'ok',
        detail: `heard on this machine (${receiver.report().joined.join(', ')})`,
      };
    const why = receiver.report().lastError || sender.report().lastError || 'a packet to the group did not come back';
    return {
      name: 'multicast',
      status: 'warn',
      detail: why,
      advice: 'run a router and set CARACAL_ROUTER=ADDRESS:PORT',
    };
  } finally {
    clearTimeout(timer);
    receiver.close();
    sender.close();
  }
}

async function checkRouter(): Promise<Check> {
  const fixed = process.env['CARACAL_ROUTER'];
  try {
    const answer = await askRouter<{ registrations: { held: number } }>('GET', '/v1/counters');
    if (answer !== undefined) {
      const held = plural(answer.registrations.held, 'registration');
      return { name: 'router', status: 'ok', detail: `${fixed ? `at ${fixed}` : 'found'}, holds ${held}` };
    }
    if (fixed) {
      const advice = 'caracal router, there; or unset CARACAL_ROUTER';
      return { name: 'router', status: 'fail', detail: `none answers at CARACAL_ROUTER=${fixed}`, advice };
    }
    return { name: 'router', status: 'ok', detail: 'none found: names are found ad hoc on this local network' };
  } catch (error) {
    return { name: 'router', status: 'fail', detail: reasonOf(error) };
  }
}

function checkAliases(): Check {
  const { path, exists, prefixes, problem } = readAliases();
  if (problem !== undefined) return { name: 'aliases', status: 'fail', detail: problem, advice: `correct ${path}` };
  const detail = exists ? `${path}: ${plural(prefixes.size, 'name')}` : `no file at ${path}`;
  return { name: 'aliases', status: 'ok', detail };
}

function checkRuntimeDirectory(): Check {
  try {
    return { name: 'runtime', status: 'ok', detail: runtimeDirectory() };
  } catch (error) {
    return { name: 'runtime', status: 'warn', detail: `${reasonOf(error)}: flows and ls cannot see programs here` };
  }
}
