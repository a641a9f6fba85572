// Nothing shown is of something else: results and styles follow the box and the category, late answers are dropped, and
// what nobody waits for is not computed.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, shownTags, tagPhoto } from './lib/browser.mjs';
import { markHalf, paste, PNG, stage, works } from './lib/stage.mjs';
import { photo } from './mock/shop.mjs';

const on = stage();
const { skip } = on;
const tells = { modules: { cpu: 'tells' }, encoder: true };

/** Keeps the models at their first call until the function that it returns is called. */
function hold() {
  let letGo;
  on.mock.set({ ...tells, hold: new Promise((done) => (letGo = done)) });
  return () => {
    on.mock.set(tells);
    letGo();
  };
}

const told = (what) => on.mock.requests.map(({ path }) => path).filter((path) => path.startsWith(`/mock/${what}`) && !path.endsWith('?8x8'));

for (const [what, change, back] of [
  ['box', markHalf, (page) => page.click('#whole')],
  ['category', (page) => page.selectOption('#category', 'bags'), (page) => page.selectOption('#category', '')],
]) {
  test(`results are marked as out of date when the ${what} changes, and searched again on request`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url);
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    assert.ok(await page.isHidden('#results-stale'));
    await change(page);
    await page.waitForSelector('#results-stale:visible');
    assert.match(await page.textContent('#results-stale[role=status]'), /another area or category/);
    assert.ok((await page.$eval('.card .picture', (node) => Number(getComputedStyle(node).opacity))) < 1, 'dimmed');
    await page.click('[data-lang=zh]');
    await page.waitForSelector('html[lang=zh-Hans]');
    assert.ok(await page.isVisible('#results-stale'), 'also after a switch of language');
    await back(page);
    await page.waitForSelector('#results-stale', { state: 'hidden' });
    await change(page);
    await page.click('#search-again');
    await page.waitForSelector('#results-stale', { state: 'hidden' });
    await page.waitForSelector('.card-link');
    const { fields, size } = on.mock.requests.findLast(({ fields }) => fields);
    assert.deepEqual([fields.category, size], what === 'box' ? [null, '120x320'] : ['bags', '240x320']);
    await page.context().close();
  });
}

test('a box that moves while the shop looks makes the answer out of date', { skip }, async () => {
  on.mock.set({ ...works, latency: 600 });
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await markHalf(page);
  await page.waitForSelector('.card-link');
  assert.ok(await page.isVisible('#results-stale'));
  await page.context().close();
});

test('the style is read of the box, marked while it is read, and of the whole photo again', { skip }, async () => {
  on.mock.set({ ...tells, compute: 300 });
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  on.mock.requests.length = 0;
  await markHalf(page);
  await page.waitForSelector('#tags.stale');
  assert.match(await page.textContent('#style-scope'), /earlier area/);
  await page.waitForSelector('#tags:not(.stale) #style-scope');
  assert.match(await page.textContent('#style-scope'), /the area you marked/);
  assert.deepEqual(told('tag'), ['/mock/tag?120x320'], 'once, when the box rests');
  await page.click('#whole');
  await page.waitForSelector('#style-scope', { state: 'detached' });
  assert.deepEqual(told('tag'), ['/mock/tag?120x320'], 'the photo was read before');
  await page.context().close();
});

test('of ten photos pasted at once two are read at most, and the last is shown', { skip }, async () => {
  on.mock.set(tells);
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG); // the model is there
  const release = hold();
  on.mock.requests.length = 0;
  await page.evaluate(() => {
    const decode = globalThis.createImageBitmap;
    globalThis.decoded = 0;
    globalThis.createImageBitmap = (...how) => (globalThis.decoded++, decode(...how));
  });
  const widths = [100, 110, 120, 130, 140, 150, 160, 170, 180, 190];
  for (const width of widths) await paste(page, { name: 'photo.png', mimeType: 'image/png', buffer: photo(width, 200) });
  await page.waitForFunction(() => document.querySelector('#frame canvas').width === 190);
  release();
  await page.waitForFunction(() => document.querySelector('.verdict'));
  assert.ok(told('tag').length <= 2, String(told('tag')));
  assert.equal(told('tag').at(-1), '/mock/tag?190x200');

  // In one go: the pictures are not even decoded.
  await page.evaluate(({ files }) => {
    for (const bytes of files) {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(bytes)], 'photo.png', { type: 'image/png' }));
      document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
    }
    globalThis.decoded = 0;
  }, { files: widths.map((width) => [...photo(width + 1, 200)]) });
  await page.waitForFunction(() => document.querySelector('#frame canvas').width === 191 && document.querySelector('.verdict'));
  assert.ok((await page.evaluate(() => globalThis.decoded)) <= 2);
  await page.context().close();
});

test('six searches asked for at once prepare the photo twice at most, and one reaches the shop', { skip }, async () => {
  on.mock.set(tells);
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  const release = hold();
  on.mock.requests.length = 0;
  await page.evaluate(async () => {
    for (let i = 0; i < 6; i++) {
      document.querySelector('#find-button').click();
      await new Promise((done) => setTimeout(done, 50));
    }
  });
  release();
  await page.waitForSelector('.card-link');
  assert.ok(told('embed').length <= 2, String(told('embed')));
  assert.equal(on.mock.requests.filter(({ path }) => path === '/api/v1/search').length, 1);
  await page.context().close();
});

test('a late answer never takes the place of a newer one', { skip }, async () => {
  on.mock.set({ ...works, latency: 500 });
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForTimeout(100);
  on.mock.set({ ...works, empty: true });
  await page.click('#find-button');
  await page.waitForSelector('#results-body > .hint');
  await page.waitForTimeout(700);
  assert.equal(await page.locator('.card-link').count(), 0, 'of the first search');
  await page.click('#another');
  await page.waitForTimeout(100);
  assert.ok(await page.isHidden('#results'), 'nothing without a photo');

  on.mock.set({ ...works, slow: { P000001: 500 } });
  for (const id of ['P000001', 'P000002']) await page.evaluate((id) => (location.hash = `product=${id}`), id);
  await page.waitForSelector('#product dl');
  await page.waitForTimeout(700);
  assert.match(await page.textContent('#product'), /Low trainers/, 'of the first product');
  await page.context().close();
});

for (const [what, behaviour, verdict] of [
  ['three at most are named, by the ordinary thresholds where the bundle states no others', 'works', 'Natural, Casual, Minimalist'],
  ['a bundle’s thresholds for naming count, and a label without one is never named', 'precise', 'Natural, Minimalist'],
  ['nothing passes, and the page says that it is not sure', 'unsure', 'Not sure. Closest to Natural'],
]) {
  test(`of thirteen styles ${what}`, { skip }, async () => {
    on.mock.set({ modules: { webgpu: behaviour, cpu: behaviour } });
    const page = await open(on.browser, on.mock.url);
    await tagPhoto(page, PNG);
    assert.equal(await page.textContent('.verdict'), verdict);
    assert.ok(await page.isHidden('li.tag >> nth=0'), 'the readings are folded away');
    await page.click('#tags summary');
    assert.ok(await page.isVisible('li.tag >> nth=12'));
    assert.equal((await shownTags(page)).length, 13);
    assert.equal(await page.locator('.tag.named').count(), verdict.startsWith('Not') ? 0 : verdict.split(', ').length);
    await page.context().close();
  });
}

for (const [floor, heading, visible] of [[null, 'Closest pieces', true], [0.9, 'Closest pieces', true], [0.95, 'Nothing close', false]]) {
  test(`with a floor of ${floor} under a best score of 0.94 the page says “${heading}”`, { skip }, async () => {
    on.mock.set({ ...works, floor });
    const page = await open(on.browser, on.mock.url);
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link', { state: 'attached' });
    assert.equal(await page.textContent('#results-heading'), heading);
    assert.equal(await page.isVisible('.card-link >> nth=0'), visible);
    if (!visible) {
      assert.match(await page.textContent('#results-body'), /Nothing in the shop comes close/);
      await page.click('.far summary');
      assert.ok(await page.isVisible('.card-link >> nth=0'));
    }
    await page.context().close();
  });
}
