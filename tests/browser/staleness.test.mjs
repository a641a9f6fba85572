// Results and styles match the current box and category. Late answers are dropped, and superseded calls are not computed.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shownTags, tagPhoto } from './lib/browser.mjs';
import { markHalf, PNG, setUp, works } from './lib/setup.mjs';
import { photo } from './mock/shop.mjs';

const env = setUp();
const { skip } = env;
const reporting = { modules: { cpu: 'reports' }, encoder: true };

/** Blocks the models at their next call. Returns a function that releases them. */
function blockModels() {
  let release;
  env.mock.set({ ...reporting, hold: new Promise((done) => (release = done)) });
  return () => {
    env.mock.set(reporting);
    release();
  };
}

/** Returns the reported calls of a kind (`tag` or `embed`), without test images of 8 × 8 pixels. */
const reportedCalls = (kind) => env.mock.requests.map(({ path }) => path).filter((path) => path.startsWith(`/mock/${kind}`) && !path.endsWith('?8x8'));

for (const [what, change, revert] of [
  ['box', markHalf, (page) => page.click('#whole')],
  ['category', (page) => page.selectOption('#category', 'bags'), (page) => page.selectOption('#category', '')],
]) {
  test(`results are marked as stale when the ${what} changes, and a button searches again`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open();
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    assert.ok(await page.isHidden('#results-stale'));
    await change(page);
    await page.waitForSelector('#results-stale:visible');
    assert.match(await page.textContent('#results-stale[role=status]'), /a different area or category/);
    assert.ok((await page.$eval('.card .picture', (node) => Number(getComputedStyle(node).opacity))) < 1, 'the images are dimmed');
    await page.click('[data-lang=zh]');
    await page.waitForSelector('html[lang=zh-Hans]');
    assert.ok(await page.isVisible('#results-stale'), 'also after a change of language');
    await revert(page);
    await page.waitForSelector('#results-stale', { state: 'hidden' });
    await change(page);
    await page.click('#search-again');
    await page.waitForSelector('#results-stale', { state: 'hidden' });
    await page.waitForSelector('.card-link');
    const { fields, size } = env.mock.requests.findLast(({ fields }) => fields);
    assert.deepEqual([fields.category, size], what === 'box' ? [null, '120x320'] : ['bags', '240x320']);
    await page.context().close();
  });
}

test('a change of the box during a search makes the results stale', { skip }, async () => {
  env.mock.set({ ...works, latency: 600 });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await markHalf(page);
  await page.waitForSelector('.card-link');
  assert.ok(await page.isVisible('#results-stale'));
  await page.context().close();
});

test('the style follows the box and is marked as stale until the new one is there', { skip }, async () => {
  env.mock.set({ ...reporting, compute: 300 });
  const page = await env.open();
  await tagPhoto(page, PNG);
  env.mock.requests.length = 0;
  await markHalf(page);
  await page.waitForSelector('#tags.stale');
  assert.match(await page.textContent('#style-scope'), /previous area/);
  await page.waitForSelector('#tags:not(.stale) #style-scope');
  assert.match(await page.textContent('#style-scope'), /the area you marked/);
  assert.deepEqual(reportedCalls('tag'), ['/mock/tag?120x320'], 'once, after the box has settled');
  await page.click('#whole');
  await page.waitForSelector('#style-scope', { state: 'detached' });
  assert.deepEqual(reportedCalls('tag'), ['/mock/tag?120x320'], 'the whole photo is not tagged again');
  await page.context().close();
});

/** Pastes photos with these widths. `pause` is the time between two of them, ms; without one they are pasted in one task. */
const pasteAll = (page, widths, pause) =>
  page.evaluate(async ({ files, pause }) => {
    for (const bytes of files) {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(bytes)], 'photo.png', { type: 'image/png' }));
      document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
      if (pause > 0) await new Promise((done) => setTimeout(done, pause));
    }
    if (pause === 0) globalThis.decoded = 0;
  }, { files: widths.map((width) => [...photo(width, 200)]), pause });

test('of ten photos pasted at once at most two are tagged, and the last is shown', { skip }, async () => {
  env.mock.set(reporting);
  const page = await env.open();
  await tagPhoto(page, PNG); // the model is loaded
  const release = blockModels();
  env.mock.requests.length = 0;
  await page.evaluate(() => {
    const decode = globalThis.createImageBitmap;
    globalThis.decoded = 0;
    globalThis.createImageBitmap = (...how) => (globalThis.decoded++, decode(...how));
  });
  const widths = [100, 110, 120, 130, 140, 150, 160, 170, 180, 190];
  await pasteAll(page, widths, 20);
  await page.waitForFunction(() => document.querySelector('#frame canvas').width === 190);
  release();
  await page.waitForFunction(() => document.querySelector('.verdict'));
  assert.ok(reportedCalls('tag').length <= 2, String(reportedCalls('tag')));
  assert.equal(reportedCalls('tag').at(-1), '/mock/tag?190x200');

  // Pasted in one task: most photos are not even decoded.
  await pasteAll(page, widths.map((width) => width + 1), 0);
  await page.waitForFunction(() => document.querySelector('#frame canvas').width === 191 && document.querySelector('.verdict'));
  assert.ok((await page.evaluate(() => globalThis.decoded)) <= 2);
  await page.context().close();
});

test('of six searches at once at most two are prepared, and one is sent', { skip }, async () => {
  env.mock.set(reporting);
  const page = await env.open();
  await tagPhoto(page, PNG);
  const release = blockModels();
  env.mock.requests.length = 0;
  await page.evaluate(async () => {
    for (let i = 0; i < 6; i++) {
      document.querySelector('#find-button').click();
      await new Promise((done) => setTimeout(done, 50));
    }
  });
  release();
  await page.waitForSelector('.card-link');
  assert.ok(reportedCalls('embed').length <= 2, String(reportedCalls('embed')));
  assert.equal(env.mock.requests.filter(({ query }) => query).length, 1);
  await page.context().close();
});

test('a late answer never replaces a newer one', { skip }, async () => {
  env.mock.set({ ...works, latency: 500 });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForTimeout(100);
  env.mock.set({ ...works, empty: true });
  await page.click('#find-button');
  await page.waitForSelector('#results-body > .hint');
  await page.waitForTimeout(700);
  assert.equal(await page.locator('.card-link').count(), 0, 'the hits of the first search are dropped');
  await page.click('#another');
  await page.waitForTimeout(100);
  assert.ok(await page.isHidden('#results'), 'no results without a photo');

  env.mock.set({ ...works, slow: { P000001: 500 } });
  for (const id of ['P000001', 'P000002']) await page.evaluate((id) => (location.hash = `product=${id}`), id);
  await page.waitForSelector('#product dl');
  await page.waitForTimeout(700);
  assert.match(await page.textContent('#product'), /Low trainers/, 'the second product stays');
  await page.context().close();
});

for (const [what, precise, behaviour, verdict, thresholds] of [
  ['at most three styles are named, by ordinary thresholds if the bundle states no precise ones', false, 'works', 'Natural, Casual, Minimalist', 13],
  ['precise thresholds decide, and a label without one is never named', true, 'precise', 'Natural, Minimalist', 12],
  ['no style is named if none reaches its precise threshold', true, 'unsure', 'Not sure. Closest to Natural', 13],
  ['no style is named if the bundle states precise thresholds but no label has one', true, 'works', 'Not sure. Closest to Natural', 0],
]) {
  test(what, { skip }, async () => {
    env.mock.set({ modules: { webgpu: behaviour, cpu: behaviour }, precise });
    const page = await env.open();
    await tagPhoto(page, PNG);
    assert.equal(await page.textContent('.verdict'), verdict);
    assert.ok(await page.isHidden('li.tag >> nth=0'), 'the list of all styles is folded');
    await page.click('#tags summary');
    assert.ok(await page.isVisible('li.tag >> nth=12'));
    assert.equal((await shownTags(page)).length, 13);
    assert.equal(await page.locator('.mark').count(), thresholds, 'thresholds that can name a style');
    assert.equal(await page.locator('.tag.named').count(), verdict.startsWith('Not') ? 0 : verdict.split(', ').length);
    await page.context().close();
  });
}

for (const [floor, heading, visible] of [[null, 'Similar products', true], [0.9, 'Similar products', true], [0.95, 'No similar products', false]]) {
  test(`with a floor of ${floor} and a best score of 0.94 the heading is “${heading}”`, { skip }, async () => {
    env.mock.set({ ...works, floor });
    const page = await env.open();
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link', { state: 'attached' });
    assert.equal(await page.textContent('#results-heading'), heading);
    assert.equal(await page.isVisible('.card-link >> nth=0'), visible);
    if (!visible) {
      assert.match(await page.textContent('#results-body'), /The shop has nothing similar/);
      await page.click('.far summary');
      assert.ok(await page.isVisible('.card-link >> nth=0'));
    }
    await page.context().close();
  });
}
