import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathsOf } from './paths.ts';

test('paths: flags as sockets take them', () => {
  for (const [flags, options] of [
    [{}, undefined],
    [{ paths: 'aggregate' }, { mode: 'aggregate' }],
    [{ paths: 'backup' }, { mode: 'backup' }],
    [{ paths: 'eth0' }, { prefer: ['eth0'] }],
    [{ paths: 'eth0,wlan0' }, { prefer: ['eth0', 'wlan0'] }],
    [{ limit: ['wwan0=500MB'] }, { mode: 'aggregate', limits: { wwan0: 5e8 } }],
    [
      { paths: 'wlan0', limit: ['wwan0=1.5g', 'eth1=0', 'eth2=12', 'eth3=7KB'] },
      { prefer: ['wlan0'], limits: { wwan0: 1.5e9, eth1: 0, eth2: 12, eth3: 7000 } },
    ],
  ] as const)
    assert.deepEqual(pathsOf(flags), options, JSON.stringify(flags));
});

test('paths: what is no interface and no number of bytes is wrong usage', () => {
  for (const flags of [
    { paths: '' },
    { paths: 'eth0,' },
    { limit: ['wwan0'] },
    { limit: ['=5'] },
    { limit: ['wwan0=-1'] },
    { limit: ['wwan0=much'] },
    { limit: ['wwan0=5 MB'] },
  ])
    assert.throws(() => pathsOf(flags), /--(paths|limit) is/, JSON.stringify(flags));
});
