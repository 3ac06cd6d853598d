import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrefix, makePrefix, parsePrefix } from '../core/base/index.ts';
import type { RuleChange } from '../core/stack/index.ts';
import {
  createServiceTable,
  dump,
  findRule,
  findTarget,
  insertTarget,
  removeTarget,
  setPriority,
  setWeight,
} from '../core/tables/index.ts';
import { labelId } from '../sockets/index.ts';
import { prefixOf } from './names.ts';
import { addRule, changeTargets, type RuleContext, removeTargets } from './rules.ts';

const web = { id: labelId('web'), bits: 256 };
const registered = { hi: 0x3f2a0001, lo: 7 };

/** A table changed as the stack changes its own. */
function context(): RuleContext & { table: ReturnType<typeof createServiceTable> } {
  const table = createServiceTable(1);
  const apply = (change: RuleChange): number => {
    if (change.verb === 'add') {
      insertTarget(table, change.prefix, change.target);
      return 1;
    }
    const rule = findRule(table, change.prefix);
    const target = rule?.targets.find(
      ({ instance }) => change.instance?.hi === instance.hi && change.instance.lo === instance.lo,
    );
    if (rule === undefined || target === undefined) return 0;
    if (change.verb === 'remove')
      return Number(removeTarget(table, change.prefix, 'static', target.instance, target.protocol));
    if (change.weight !== undefined) setWeight(table, target, change.weight);
    if (change.priority !== undefined) setPriority(table, target, change.priority);
    return 1;
  };
  return { table, rules: () => dump(table), apply, prefixOf: (text) => prefixOf(new Map(), text) };
}

describe('router rules', () => {
  it('add forward: one static target per locator, IPv4 and IPv6', () => {
    const rules = context();
    const rule = addRule(rules, {
      prefix: 'web',
      action: 'forward',
      locators: ['192.0.2.1:7', '[2001:db8::1]:8'],
      weight: 5,
    });
    assert.equal(rule.service, formatPrefix(web));
    assert.deepEqual(
      rule.targets.map(({ action, locator, weight, owner }) => [action, locator, weight, owner]).sort(),
      [
        ['forward', '192.0.2.1:7', 5, 'static'],
        ['forward', '[2001:db8:0:0:0:0:0:1]:8', 5, 'static'],
      ],
    );
    assert.equal(removeTargets(rules, { prefix: 'web', locator: '192.0.2.1:7' }), 1);
    assert.equal(removeTargets(rules, { prefix: 'web' }), 1);
    assert.deepEqual(rules.rules(), []);
  });

  it('add drop: stands before any registration', () => {
    const rules = context();
    insertTarget(rules.table, web, {
      owner: 'registered',
      instance: registered,
      protocol: 6,
      action: 'forward',
      priority: 900,
    });
    assert.equal(addRule(rules, { prefix: 'web', action: 'drop' }).targets[0]?.action, 'drop');
  });

  it('set: the instance named by its first digits, and only that', () => {
    const rules = context();
    const other = { hi: 0x11110000, lo: 9 };
    for (const instance of [registered, other])
      insertTarget(rules.table, web, { owner: 'registered', instance, protocol: 6, action: 'forward', weight: 100 });
    assert.equal(changeTargets(rules, { prefix: 'web', instance: '3F2A', weight: 10 }), 1);
    const rule = findRule(rules.table, web)!;
    assert.equal(findTarget(rule, 'registered', registered, 6)?.weight, 10);
    assert.equal(findTarget(rule, 'registered', other, 6)?.weight, 100);
    assert.equal(changeTargets(rules, { prefix: 'web', weight: 1 }), 2);
    assert.throws(() => removeTargets(rules, { prefix: 'web' }), { status: 404, code: 'NO_SUCH_TARGET' });
  });

  it('refusals: unknown fields, wrong types and ranges, nothing there', () => {
    const rules = context();
    const bad: readonly Record<string, unknown>[] = [
      {},
      { prefix: 'web', action: 'forward' },
      { prefix: 'web', action: 'drop', locators: ['192.0.2.1:7'] },
      { prefix: 'web', action: 'delay' },
      { prefix: 'web', action: 'drop', weigth: 1 },
      { prefix: 'web', action: 'drop', weight: 65536 },
      { prefix: 'web', action: 'drop', priority: '1' },
      { prefix: 'a b', action: 'drop' },
      { prefix: 'web/257', action: 'drop' },
      { prefix: 'web', action: 'forward', locators: ['host:1'] },
      { prefix: 'web', action: 'forward', locators: ['192.0.2.1:0'] },
      { prefix: 'web', action: 'forward', locators: 'x' },
    ];
    for (const fields of bad) assert.throws(() => addRule(rules, fields), { status: 400 }, JSON.stringify(fields));
    assert.throws(() => changeTargets(rules, { prefix: 'web' }), { status: 400 });
    assert.throws(() => changeTargets(rules, { prefix: 'web', weight: 1 }), { status: 404, code: 'NO_SUCH_RULE' });
    assert.deepEqual(rules.rules(), []);
  });

  it('prefixes: names, ids, lengths; the directory decides before the label', () => {
    const names = new Map([['shop', web]]);
    assert.deepEqual(prefixOf(names, 'Shop.svc'), web);
    assert.deepEqual(prefixOf(names, 'shop/224'), makePrefix(web.id, 224));
    const text = formatPrefix(makePrefix(web.id, 64));
    assert.deepEqual(prefixOf(names, text), parsePrefix(text));
    assert.throws(() => prefixOf(names, 'shop/x'), { status: 400 });
    assert.throws(() => prefixOf(names, `${formatPrefix(web)}/64`), { status: 400 });
  });
});
