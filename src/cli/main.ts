// The command line: one file per command under commands/, joined here. Every failure ends in one place, which prints it
// and answers the exit code; commands throw and never call process.exit.

import { Command, CommanderError } from 'commander';
import { checkRouterAddress } from './arguments.ts';
import { registerBench } from './commands/bench.ts';
import { registerConnect } from './commands/connect.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDescribe } from './commands/describe.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerDrain } from './commands/drain.ts';
import { registerExpose } from './commands/expose.ts';
import { registerFlows } from './commands/flows.ts';
import { registerForward } from './commands/forward.ts';
import { registerGet } from './commands/get.ts';
import { registerGrant } from './commands/grant.ts';
import { registerId } from './commands/id.ts';
import { registerKeygen } from './commands/keygen.ts';
import { registerLab } from './commands/lab.ts';
import { registerListen } from './commands/listen.ts';
import { registerLs } from './commands/ls.ts';
import { registerPing } from './commands/ping.ts';
import { registerRevoke } from './commands/revoke.ts';
import { registerRouter } from './commands/router.ts';
import { registerRules } from './commands/rules.ts';
import { registerServe } from './commands/serve.ts';
import { registerShed } from './commands/shed.ts';
import { registerTrust } from './commands/trust.ts';
import { registerVerify } from './commands/verify.ts';
import { ExitCode, exitCodeOf, formatError } from './errors.ts';
import { colourful, note, paint } from './output.ts';
import { readVersion } from './package.ts';
import { noteWarnings } from './security.ts';

const registrations: readonly ((program: Command) => void)[] = [
  registerRouter,
  registerServe,
  registerExpose,
  registerForward,
  registerGet,
  registerListen,
  registerConnect,
  registerDrain,
  registerShed,
  registerPing,
  registerLs,
  registerDescribe,
  registerFlows,
  registerRules,
  registerId,
  registerKeygen,
  registerGrant,
  registerRevoke,
  registerVerify,
  registerTrust,
  registerDoctor,
  registerDemo,
  registerBench,
  registerLab,
];

/** Runs one command line and answers the exit code. Never throws. */
export async function run(argv: readonly string[]): Promise<number> {
  quietWhenReaderLeaves();
  noteWarnings();
  try {
    await createProgram().parseAsync(argv as string[]);
    return Number(process.exitCode ?? ExitCode.OK);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
    note(formatError(error));
    return exitCodeOf(error);
  }
}

function createProgram(): Command {
  const program = new Command('caracal')
    .description('Reach services by name: no addresses, no load balancer, no sidecar.')
    .version(readVersion())
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError('  try: the same with --help')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'caracal: ')) })
    .configureHelp({ styleTitle: (text) => (colourful() ? paint('bold', text) : text) })
    .addHelpText(
      'after',
      `
Examples:
  caracal demo                          see it all work in under a minute
  caracal router                        find services beyond one machine, by name
  caracal serve web ./public            this directory becomes the service "web"
  caracal get svc://web/index.html      fetch from any live instance of it
  caracal forward 8080 web              curl http://127.0.0.1:8080/

Environment: CARACAL_ROUTER=ADDRESS:PORT, CARACAL_ALIASES=FILE, CARACAL_TRUST=FILE, CARACAL_KNOWN=FILE,
CARACAL_IDENTITY=FILE, CARACAL_FORBID_INSECURE=1, CARACAL_LINK=dgram|offload, NO_COLOR.
Exit codes: 0 ok, 1 failed, 2 wrong usage.  More: docs/operations.md`,
    );
  for (const register of registrations) register(program);
  return program.hook('preAction', checkEnvironment);
}

/** Said at once and by its name, before a command fails somewhere inside. */
function checkEnvironment(): void {
  const router = process.env['CARACAL_ROUTER'];
  if (router) checkRouterAddress(router);
}

/** `caracal ls | head -1` must not end in a stack trace. */
function quietWhenReaderLeaves(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(ExitCode.FAILED);
      throw error;
    });
}
