import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Libc, loadLibc } from './libc.ts';
import { WakeTimer } from './wake-timer.ts';

const libc = loadLibc();
const kinds = typeof libc === 'string' ? ['node'] : ['node', 'kernel'];

function timerOf(kind: string): { timer: WakeTimer; dues: number[]; goesOff(): Promise<void> } {
  const dues: number[] = [];
  let told = (): void => {};
  const due = (): void => {
    dues.push(performance.now());
    told();
  };
  const timer = kind === 'kernel' ? new WakeTimer(due) : new WakeTimer(due, 'none');
  const goesOff = () => new Promise<void>((resolve) => (told = resolve));
  return { timer, dues, goesOff };
}

for (const kind of kinds)
  describe(`wake timer: ${kind}`, { timeout: 30_000 }, () => {
    // Keeps this process alive, which the timer does not.
    const alive = setInterval(() => {}, 10);
    after(() => clearInterval(alive));

    it('goes off once, not before its time, near or far', async () => {
      for (const waitMs of [2, 61]) {
        const { timer, dues, goesOff } = timerOf(kind);
        const startMs = performance.now();
        timer.set(waitMs * 1_000 - 500);
        await goesOff();
        await sleep(20);
        assert.equal(dues.length, 1);
        assert.ok(dues[0]! - startMs >= waitMs - 1, `${dues[0]! - startMs} ms`);
        timer.close();
      }
    });

    it('is what it was last set to', async () => {
      const { timer, dues, goesOff } = timerOf(kind);
      timer.set(60_000);
      timer.set(3_600_000_000);
      await sleep(100);
      assert.deepEqual(dues, []);
      timer.set(55_000);
      await goesOff();
      timer.set(3_600_000_000);
      timer.set(1_000);
      await goesOff();
      assert.equal(dues.length, 2);
      timer.close();
    });

    it('is silent once it is cleared, closed or set anew, also if its time has come already', async () => {
      for (const end of ['clear', 'close', 'set'] as const) {
        const { timer, dues } = timerOf(kind);
        timer.set(50_000);
        const until = performance.now() + 60;
        while (performance.now() < until);
        timer[end](3_600_000_000);
        await sleep(20);
        assert.deepEqual(dues, []);
        timer.close();
      }
    });
  });

describe('wake timer', () => {
  it('waits by the kernel for what is far alone, and sets it back without waking', {
    skip: typeof libc === 'string' && libc,
  }, () => {
    if (typeof libc === 'string') return;
    const waits: bigint[] = [];
    const timerfd_settime: Libc['timerfd_settime'] = (fd, flags, time, before) => {
      waits.push(new BigInt64Array(time.buffer)[2]!);
      return libc.timerfd_settime(fd, flags, time, before);
    };
    const timer = new WakeTimer(() => {}, { ...libc, timerfd_settime });
    timer.set(40_000);
    assert.deepEqual(waits, []);
    timer.set(2_000_000);
    timer.set(3_000_000);
    assert.deepEqual(
      waits.filter((seconds) => seconds > 0n),
      [2n, 3n],
    );
    timer.close();
    assert.equal(waits.at(-1), 0n);
  });

  it('keeps no process alive', () => {
    const url = new URL('./wake-timer.js', import.meta.url).href;
    const program = `const { WakeTimer } = await import(${JSON.stringify(url)}); new WakeTimer(() => {}).set(30e6);`;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
    assert.equal(status, 0);
  });
});
