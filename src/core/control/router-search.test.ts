import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locator, seededRandom } from '../base/index.ts';
import { AdvertFlag, type ControlMessage, createControlMessage, MessageType } from './messages.ts';
import {
  createRouterSearch,
  handleAdvert,
  pollRouterSearch,
  type RouterSearch,
  restartRouterSearch,
  routerSearchDeadlineUs,
} from './router-search.ts';

const ms = 1000;
const elsewhere: Locator = { address: Uint8Array.of(192, 0, 2, 1), port: 54324 };
const here: Locator = { address: Uint8Array.of(127, 0, 0, 1), port: 54324 };

function sendTimes(search: RouterSearch, untilUs: number): number[] {
  const times: number[] = [];
  const out = createControlMessage();
  for (let nowUs = 0; nowUs <= untilUs; nowUs = routerSearchDeadlineUs(search)) {
    assert.equal(pollRouterSearch(search, nowUs, out), true);
    assert.equal(pollRouterSearch(search, nowUs, out), false);
    assert.deepEqual([out.type, out.service, out.transaction], [MessageType.SOLICIT, undefined, search.transaction]);
    times.push(nowUs / ms);
  }
  return times;
}

function advertFor(search: RouterSearch, more: Partial<ControlMessage> = {}): ControlMessage {
  const { transaction } = search;
  const boot = { hi: 0, lo: 7 };
  return {
    ...createControlMessage(),
    type: MessageType.ADVERT,
    transaction,
    boot,
    flags: AdvertFlag.DIRECTORY,
    ...more,
  };
}

describe('router search', () => {
  it('solicits quickly at first, then every ten seconds for ever', () => {
    const times = sendTimes(createRouterSearch(seededRandom(1), 0), 50_000 * ms);
    assert.deepEqual(times, [0, 50, 150, 350, 1350, 3350, 7350, 15350, 25350, 35350, 45350]);
  });

  it('the first ADVERT to our SOLICIT ends it', () => {
    const search = createRouterSearch(seededRandom(1), 0);
    assert.equal(handleAdvert(search, advertFor(search, { transaction: search.transaction ^ 1 }), elsewhere), false);
    assert.equal(handleAdvert(search, advertFor(search, { type: MessageType.OFFER }), elsewhere), false);
    assert.equal(search.state, 'searching');
    assert.equal(handleAdvert(search, advertFor(search), elsewhere), true);
    assert.deepEqual(
      [search.state, search.router, search.routerBoot, search.flags, routerSearchDeadlineUs(search)],
      ['found', elsewhere, { hi: 0, lo: 7 }, AdvertFlag.DIRECTORY, Infinity],
    );
    assert.equal(handleAdvert(search, advertFor(search), { ...elsewhere, port: 1 }), false);
  });

  it('a router on this machine takes the place of one elsewhere, not the other way round', () => {
    const search = createRouterSearch(seededRandom(1), 0);
    handleAdvert(search, advertFor(search), elsewhere);
    assert.equal(handleAdvert(search, advertFor(search), here), true);
    assert.equal(handleAdvert(search, advertFor(search), elsewhere), false);
    assert.equal(search.router, here);
  });

  it('searching again forgets the router and ignores answers to the old search', () => {
    const random = seededRandom(1);
    const search = createRouterSearch(random, 0);
    const old = advertFor(search);
    handleAdvert(search, old, here);
    restartRouterSearch(search, random, 900 * ms);
    assert.deepEqual([search.state, search.router, search.deadlineUs], ['searching', undefined, 900 * ms]);
    assert.equal(handleAdvert(search, old, here), false);
  });
});
