// The commands, in the order of the help text. One that is asked for by name is loaded alone: reading the modules of all of
// them takes longer than most commands do.

import type { Command } from 'commander';

type Register = (program: Command) => void;

const commands: Readonly<Record<string, () => Promise<Register>>> = {
  router: async () => (await import('./commands/router.ts')).registerRouter,
  serve: async () => (await import('./commands/serve.ts')).registerServe,
  expose: async () => (await import('./commands/expose.ts')).registerExpose,
  forward: async () => (await import('./commands/forward.ts')).registerForward,
  get: async () => (await import('./commands/get.ts')).registerGet,
  listen: async () => (await import('./commands/listen.ts')).registerListen,
  connect: async () => (await import('./commands/connect.ts')).registerConnect,
  drain: async () => (await import('./commands/drain.ts')).registerDrain,
  shed: async () => (await import('./commands/shed.ts')).registerShed,
  ping: async () => (await import('./commands/ping.ts')).registerPing,
  ls: async () => (await import('./commands/ls.ts')).registerLs,
  describe: async () => (await import('./commands/describe.ts')).registerDescribe,
  flows: async () => (await import('./commands/flows.ts')).registerFlows,
  rules: async () => (await import('./commands/rules.ts')).registerRules,
  id: async () => (await import('./commands/id.ts')).registerId,
  keygen: async () => (await import('./commands/keygen.ts')).registerKeygen,
  grant: async () => (await import('./commands/grant.ts')).registerGrant,
  revoke: async () => (await import('./commands/revoke.ts')).registerRevoke,
  verify: async () => (await import('./commands/verify.ts')).registerVerify,
  trust: async () => (await import('./commands/trust.ts')).registerTrust,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  demo: async () => (await import('./commands/demo.ts')).registerDemo,
  bench: async () => (await import('./commands/bench.ts')).registerBench,
  lab: async () => (await import('./commands/lab.ts')).registerLab,
};

/** What adds the command called `name` to a program; of all commands, if there is none. */
export function loadCommands(name = ''): Promise<Register[]> {
  const loads = Object.hasOwn(commands, name) ? [commands[name]] : Object.values(commands);
  return Promise.all(loads.flatMap((load) => load?.() ?? []));
}
