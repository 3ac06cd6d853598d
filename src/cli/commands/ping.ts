// `caracal ping SERVICE`: how long it takes to reach a live instance by name: resolution and handshake, one round trip.
// Each probe is a whole connection, closed again at once, so it measures what a client would feel and may meet another
// instance each time.

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { connect, createDriver, type SecurityOptions, setDefaultDriver } from '../../index.ts';
import { parseDurationUs, parseInteger } from '../arguments.ts';
import { CliError, isMisuse, reasonOf } from '../errors.ts';
import { formatDuration, note, print, printJson } from '../output.ts';
import { type SecurityFlags, securityFlags, securityOf } from '../security.ts';

interface PingOptions extends SecurityFlags {
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
  readonly json: boolean;
}

export function registerPing(program: Command): void {
  const command = program
    .command('ping')
    .description('connect to SERVICE a few times and tell how long each took')
    .argument('<service>', 'a name, or a serviceID')
    .option('-c, --count <n>', 'how many times', (text) => parseInteger(text, '--count', 1, 1e6), 4)
    .option(
      '-i, --interval <time>',
      'from one to the next',
      (text) => parseDurationUs(text, '--interval', 0, 3600e6),
      1e6,
    )
    .option('-W, --timeout <time>', 'for one answer', (text) => parseDurationUs(text, '--timeout', 1000, 600e6), 10e6)
    .option('--json', 'print one object as the last line', false);
  securityFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  caracal ping web
  caracal ping web -c 100 -i 10ms --json`,
    )
    .action(run);
}

async function run(service: string, options: PingOptions): Promise<void> {
  const samplesUs: number[] = [];
  let sent = 0;
  let lastError: unknown;
  let interrupted = false;
  // The first probe would otherwise pay for making the stack.
  const driver = createDriver();
  setDefaultDriver(() => driver);
  await driver.ready;
  const onInterrupt = (): void => {
    interrupted = true;
  };
  process.once('SIGINT', onInterrupt);
  while (sent < options.count && !interrupted) {
    if (sent > 0 && options.interval > 0) await delay(options.interval / 1000);
    sent++;
    try {
      const us = await timeToConnect(service, securityOf(options), options.timeout / 1000);
      samplesUs.push(us);
      if (!options.json) print(`connected to ${service}: seq=${sent} time=${formatDuration(us)}`);
    } catch (error) {
      if (isMisuse(error)) throw error;
      lastError = error;
      note(`caracal: no connection to "${service}": seq=${sent} ${reasonOf(error)}`);
    }
  }
  process.removeListener('SIGINT', onInterrupt);
  report(service, sent, samplesUs, options.json);
  if (samplesUs.length === 0)
    throw new CliError(`"${service}" did not answer: ${reasonOf(lastError)}`, { next: `caracal describe ${service}` });
}

/** Microseconds from the call to the established connection. */
function timeToConnect(service: string, security: SecurityOptions, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const socket = connect({ ...security, service });
    const timer = setTimeout(() => {
      socket.destroy(new CliError(`no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    let us: number | undefined;
    socket.once('connect', () => {
      us = (performance.now() - started) * 1000;
      socket.resume();
      socket.end();
    });
    // Once connected the probe has its answer: how the other end closes does not matter.
    socket.once('error', (error) => us === undefined && reject(error));
    socket.once('close', () => {
      clearTimeout(timer);
      if (us !== undefined) resolve(us);
      else reject(new CliError('closed before it was connected'));
    });
  });
}

function report(service: string, sent: number, samplesUs: readonly number[], json: boolean): void {
  const received = samplesUs.length;
  const sum = samplesUs.reduce((total, us) => total + us, 0);
  const [minUs, avgUs, maxUs] =
    received === 0
      ? [null, null, null]
      : [Math.min(...samplesUs), sum / received, Math.max(...samplesUs)].map(Math.round);
  if (json) {
    printJson({ service, sent, received, minUs, avgUs, maxUs, samplesUs: samplesUs.map(Math.round) });
    return;
  }
  const times = [minUs, avgUs, maxUs].map((us) => (us === null || us === undefined ? '-' : formatDuration(us)));
  print(`${sent} tried, ${received} connected; min/avg/max ${times.join('/')}`);
}
