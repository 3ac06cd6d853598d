// Joins a connection to stdin and stdout: the end of stdin half-closes the connection, and what the other end still
// sends goes on to stdout until it ends too. Both directions keep their back-pressure.

import { pipeline } from 'node:stream/promises';
import type { Socket } from '../index.ts';
import { explain } from './errors.ts';
import { reset } from './relay.ts';

/** Resolves when both directions have ended; throws CliError when the connection breaks or cannot be made. */
export async function pipeStandardStreams(socket: Socket, service: string): Promise<void> {
  const { stdin, stdout } = process;
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', resolve);
      pipeline(stdin, socket).catch(reject);
      pipeline(socket, stdout, { end: false }).catch(reject);
    });
  } catch (error) {
    reset(socket);
    throw explain(error, `talk to "${service}"`, `caracal describe ${service}`);
  } finally {
    // A terminal or a pipe that is still open would keep the process alive.
    stdin.destroy();
  }
}
