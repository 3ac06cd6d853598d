// The command line: one file per command under commands/, joined here. Every failure ends in one place, which prints it
// and answers the exit code; commands throw and never call process.exit.

import { Command, CommanderError } from 'commander';
import { checkRouterAddress } from './arguments.ts';
import { loadCommands } from './command-list.ts';
import { ExitCode, exitCodeOf, formatError } from './errors.ts';
import { colourful, note, paint } from './output.ts';
import { readVersion } from './package.ts';
import { noteWarnings } from './security.ts';

/** Runs one command line and answers the exit code. Never throws. */
export async function run(argv: readonly string[]): Promise<number> {
  quietWhenReaderLeaves();
  noteWarnings();
  try {
    const program = await createProgram(argv[2]);
    await program.parseAsync(argv as string[]);
    return Number(process.exitCode ?? ExitCode.OK);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
    note(formatError(error));
    return exitCodeOf(error);
  }
}

/** With the command of that name alone, or with all of them if it is none. */
async function createProgram(name: string | undefined): Promise<Command> {
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
  for (const register of await loadCommands(name)) register(program);
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
