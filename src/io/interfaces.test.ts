import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { isUsable, usableAddresses } from './interfaces.ts';
import { parseAddress } from './socket-address.ts';
import { inNamespace, noNamespace } from './testing/namespace.ts';

const at = (text: string) => parseAddress(text)!;
const loopback = { name: 'lo', text: '127.0.0.1', address: at('127.0.0.1'), internal: true };
const ethernet = { name: 'eth0', text: '10.0.0.1', address: at('10.0.0.1'), internal: false };

test('interfaces: this machine’s own addresses are usable, others are not', () => {
  const usable = usableAddresses();
  for (const { address } of usable) assert.ok(isUsable(address, usable));
  assert.equal(isUsable(at('192.0.2.77'), usable), false);
  assert.ok(!usable.some(({ text }) => text.startsWith('fe80:')));
});

test('interfaces: every loopback address is usable while there is one', () => {
  assert.ok(isUsable(at('127.3.2.1'), [ethernet, loopback]));
  assert.equal(isUsable(at('127.3.2.1'), [ethernet]), false);
  assert.equal(isUsable(at('10.0.0.2'), [ethernet, loopback]), false);
});

test('interfaces: without carrier, down, or still probed for duplicates: not usable', {
  skip: noNamespace,
}, async () => {
  const printed = await inNamespace(
    { '{ usableAddresses }': 'interfaces' },
    `
    const print = () => console.log(usableAddresses().map(({ name, text }) => name + ' ' + text).sort().join(', '));
    ip('link add v0 type veth peer name v1');
    ip('addr add 10.9.0.1/24 dev v0');
    ip('link set v0 up');
    print();
    ip('link set v1 up');
    while (!usableAddresses().some(({ name }) => name === 'v0'));
    ip('addr add fd00:9::1/64 dev v0');
    ip('addr add fd00:9::2/64 dev v0 nodad');
    print();
    ip('link set v0 down');
    print();`,
  );
  const near = 'lo 127.0.0.1, lo ::1';
  assert.deepEqual(printed.trim().split('\n'), [near, `${near}, v0 10.9.0.1, v0 fd00:9::2`, near]);
});
