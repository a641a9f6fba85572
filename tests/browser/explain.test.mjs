// Recall dial and coarse map of the tagger's labels.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, waitUntil } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });
const named = (page, group) => page.textContent(`.tag-group[data-group=${group}] dd`);

async function openWithLabels(shop, how) {
  env.mock.set(shop);
  const page = await env.open(how);
  await tagPhoto(page, PNG);
  await page.click('#tags summary');
  return page;
}

/** Moves the dial of a group by keyboard. */
async function turnDial(page, group, steps) {
  await page.focus(`#dial-${group}`);
  for (let i = 0; i < steps; i++) await page.keyboard.press('ArrowRight');
}

test('the dial of a group names more labels and states the expected precision and recall', async () => {
  const page = await openWithLabels({ modules: { cpu: 'groups' }, groups: 'curves' });
  await page.waitForSelector('#dial-garment');
  const words = () => page.textContent('#dial-garment-words');
  assert.equal(await named(page, 'garment'), 'Shoes');
  assert.match(await words(), /90% of the named labels are right, and 25% of the labels that apply are named/);
  await turnDial(page, 'garment', 3); // a precision of 0.5: both labels have a threshold
  assert.equal(await named(page, 'garment'), 'Shoes, Skirt');
  assert.match(await words(), /75% of the named labels are right, and 50% of the labels that apply are named/);
  assert.equal(await page.getAttribute('#dial-garment', 'aria-valuetext'), await words());
  assert.equal(await named(page, 'style'), 'Natural', 'every group has its own dial');
  assert.equal(await page.locator('[data-group=garment] li.named').count(), 2);
  assert.deepEqual(await findFaults(page), []);

  await page.click('#another');
  await tagPhoto(page, PNG);
  assert.equal(await named(page, 'garment'), 'Shoes, Skirt', 'the next photo has the same operating point');
  await page.click('#tags summary');
  await page.click('[data-lang=zh]');
  await page.waitForSelector('html[lang^=zh]');
  await page.waitForFunction(() => /^\D*75%.*[\u4e00-\u9fff]/.test(document.querySelector('#dial-garment-words')?.textContent));
  assert.equal(await named(page, 'garment'), '鞋、半身裙');
  await page.context().close();
});

for (const [what, groups, id] of [['has no tables', true, 'mock'], ['has the tables of another tagger', 'curves', 'next']]) {
  test(`there is no dial if the manifest ${what}`, async () => {
    env.mock.set({ modules: { cpu: 'groups' }, groups });
    const page = await env.open();
    await tagPhoto(page, PNG);
    await page.route('**/api/v1/tagger', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), id } });
    });
    const fetched = page.waitForResponse('**/api/v1/tagger');
    await page.click('#tags summary');
    await fetched;
    await page.waitForTimeout(300);
    assert.equal(await page.locator('.dial').count(), 0);
    await page.context().close();
  });
}

test('a group without a curve has no dial', async () => {
  const page = await openWithLabels({ modules: { cpu: 'groups' }, groups: 'curves' });
  await page.waitForSelector('#dial-category');
  assert.equal(await page.locator('#dial-colour').count(), 0);
  await page.context().close();
});

test('the map shows in cells and in words which part decided a label, and says that it is coarse', async () => {
  const page = await openWithLabels({ modules: { cpu: 'corner' } });
  const tagged = await page.$$eval('li.tag', (rows) => rows.map(({ dataset }) => [dataset.id, dataset.prob]));
  await page.click('#explain');
  await page.waitForSelector('#map-words');
  const weights = await page.$$eval('.map-cells span', (cells) => cells.map(({ dataset }) => Number(dataset.weight)));
  assert.equal(weights.length, 49);
  assert.ok(weights[0] > 1 && weights.slice(1).every((weight) => weight === 0), String(weights));
  assert.equal(await page.textContent('#map-words'), 'For “Natural” these parts counted most: top left (100%).');
  assert.match(await page.textContent('#tags .map'), /This map is coarse\. 49 parts .* not a proof\. It took [\d.]+ m?s on this device/);
  await page.selectOption('#map-label', '/casual');
  assert.equal(await page.textContent('#map-words'), 'No single part decided “Casual”.');
  assert.deepEqual(await findFaults(page), []);
  assert.deepEqual(await page.$$eval('li.tag', (rows) => rows.map(({ dataset }) => [dataset.id, dataset.prob])), tagged, 'the tags stay');
  await page.click('.map .button');
  assert.equal(await page.locator('.map-cells').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'explain');
  await page.context().close();
});

for (const [what, stop, verdict] of [
  ['its button', (page) => page.click('.map .button'), /Natural/],
  ['a new photo', (page) => page.setInputFiles('#file', PNG), /Natural/],
  ['a new area', async (page) => (await page.focus('.crop-area'), await page.focus('.crop-corner.nw'), await page.keyboard.press('Shift+ArrowRight')), /Natural/],
]) {
  test(`${what} ends the computation of the map`, async () => {
    const page = await openWithLabels({ modules: { cpu: 'reports' }, compute: 100 });
    await page.click('#explain');
    await page.waitForFunction(() => document.querySelector('.map progress')?.value > 2);
    await stop(page);
    await page.waitForSelector('.map', { state: 'detached' });
    await page.waitForTimeout(1_500);
    const tags = () => env.mock.requests.filter(({ path }) => path.startsWith('/mock/tag')).length;
    const before = tags();
    await page.waitForTimeout(500);
    assert.equal(tags(), before, 'nothing is computed any more');
    assert.match(await page.textContent('.verdict'), verdict);
    await page.context().close();
  });
}

test('a map that fails is explained, and the tags stay', async () => {
  const page = await openWithLabels({ modules: { cpu: 'corner' } });
  await page.evaluate(() => (Worker.prototype.postMessage = () => { throw new Error('no memory'); }));
  await page.click('#explain');
  await waitUntil(async () => (await page.textContent('.map')).includes('could not be computed'));
  assert.match(await page.textContent('.verdict'), /Natural/);
  await page.context().close();
});
