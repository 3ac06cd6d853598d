import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatServiceId } from '../base/index.ts';
import { labelServiceId, memberServiceId, selfCertifyingId } from './names.ts';
import { formatShared, parseShared } from './shared-name.ts';
import { keyPair, primitives } from './testing/issuing.ts';

const id = selfCertifyingId(primitives, keyPair(1).key);
const text = formatServiceId(id);
const labelText = formatServiceId(labelServiceId(primitives, 'web'));

describe('shared names', () => {
  it('are an id, a name, or a name with the id of its key; svc: may be left out', () => {
    assert.deepEqual(parseShared(`svc:${text}`), { id });
    assert.deepEqual(parseShared(text.toUpperCase()), { id });
    assert.deepEqual(parseShared(labelText), { id: labelServiceId(primitives, 'web') });
    assert.deepEqual(parseShared(`svc:web@${text}`), { name: 'web', id });
    assert.deepEqual(parseShared(`SVC:Web.example@${text}`), { name: 'web.example', id });
    assert.deepEqual(parseShared('svc:web'), { name: 'web' });
    assert.deepEqual(parseShared('web'), { name: 'web' });
  });

  it('are written as they are read', () => {
    for (const shared of [{ id }, { name: 'web', id }, { name: 'web' }])
      assert.deepEqual(parseShared(formatShared(shared)), shared);
    assert.equal(formatShared({ name: 'web', id }), `svc:web@${text}`);
  });

  it('take nothing else: URLs, prefixes, ids that no key has, malformed names', () => {
    const member = formatServiceId(memberServiceId(id, 1));
    const wrong = [
      '',
      'svc:',
      '@',
      `@${text}`,
      'web@',
      'svc://web',
      'svc://web/path',
      `svc://${text}`,
      `svc:/web`,
      `${text}/224`,
      `web@${labelText}`,
      `web@${member}`,
      `web@${text.slice(1)}`,
      `web@${text}@${text}`,
      `${text}@${text}`,
      `a b@${text}`,
      'svc:svc:web',
      'http://web.svc/',
      'svc:\u212aelvin',
    ];
    for (const other of wrong) assert.equal(parseShared(other), undefined, other);
  });
});
