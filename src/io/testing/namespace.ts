// A program in a network namespace of its own, where a test may take addresses away: needs no root where users may make
// namespaces. The program is an ES module that has `ip`, which runs ip(8), and `wire`, which makes an interface that is up.

import { spawn, spawnSync } from 'node:child_process';

const folder = new URL('../', import.meta.url).href;

/** Why no namespace can be made here, or false: fits the `skip` option. */
export const noNamespace: string | false =
  process.platform === 'linux' && spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status === 0
    ? false
    : 'no network namespace can be made here';

/** Runs `body`; answers what it printed. Rejects with its stderr when it fails. `modules`: files of src/io, by the name they get. */
export function inNamespace(modules: Readonly<Record<string, string>>, body: string): Promise<string> {
  const imports = Object.entries(modules).map(
    ([names, file]) => `const ${names} = await import(${JSON.stringify(`${folder}${file}.js`)});`,
  );
  const program = `
    import { execFileSync } from 'node:child_process';
    ${imports.join('\n')}
    const ip = (text) => execFileSync('ip', text.split(' '), { stdio: ['ignore', 'pipe', 'inherit'] });
    const wire = (name, mtu = 1500) => {
      ip('link add ' + name + ' mtu ' + mtu + ' type veth peer name ' + name + 'end mtu ' + mtu);
      for (const end of [name, name + 'end']) ip('link set ' + end + ' addrgenmode none');
      ip('link set ' + name + 'end up');
      ip('link set ' + name + ' up');
      while (!String(ip('link show dev ' + name)).includes('state UP'));
    };
    ip('link set lo up');
    ${body}`;
  const child = spawn('unshare', ['-rn', process.execPath, '--input-type=module', '-e', program], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(stdout) : reject(new Error(`exit code ${code}\n${stderr}`))));
  });
}
