// Pieces of the outfit: outlines on the photo and buttons that search for one piece.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, waitUntil, works } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });
const asked = () => env.mock.requests.map(({ path }) => path).filter((path) => path.includes('segmenter'));

/** Opens a photo in a shop with a segmenter and waits for the pieces. */
async function openWithPieces(how = {}) {
  env.mock.set({ ...works, segmenter: true, encoder: true });
  env.mock.requests.length = 0;
  const page = await env.open(how);
  await tagPhoto(page, PNG);
  await page.waitForSelector('#piece-list button');
  return page;
}

const searches = () => env.mock.requests.filter(({ query }) => query);

test('a piece is chosen by keyboard, and the shop is searched for its box', async () => {
  const page = await openWithPieces();
  assert.deepEqual(await page.locator('#piece-list button').allTextContents(), ['Top', 'Shoes']);
  assert.equal(await page.locator('.piece').count(), 2);
  assert.deepEqual(await findFaults(page), []);
  await page.focus('#piece-list button');
  assert.equal(await page.locator('.piece.marked').count(), 1);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#results li');
  assert.equal(await page.inputValue('#category'), 'tops', 'products of its category are searched');
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /50% wide, 50% high, 25% from the left, 20% from the top/);
  assert.equal(searches().length, 1);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a tap on a piece searches for it, and a tap elsewhere marks an area', async () => {
  const page = await openWithPieces({ width: 360, height: 740, touch: true });
  const tap = async (x, y) => {
    const box = await page.locator('.crop').boundingBox();
    await page.touchscreen.tap(box.x + x * box.width, box.y + y * box.height);
  };
  await tap(0.6, 0.1); // between the corners of the crop box
  await waitUntil(() => page.isVisible('#whole'));
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /50% wide, 50% high, 35% from the left, 0% from the top/);
  assert.equal(searches().length, 0);
  await tap(0.3, 0.85);
  await waitUntil(() => searches().length === 1);
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /25% wide, 10% high, 25% from the left, 80% from the top/);
  await page.context().close();
});

test('a click on a piece searches for it, and a drag over it marks an area', async () => {
  const page = await openWithPieces();
  const box = await page.locator('.crop').boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.3, 0.3));
  await page.mouse.down();
  await page.mouse.move(...at(0.7, 0.6), { steps: 4 });
  await page.mouse.up();
  assert.equal(searches().length, 0);
  await page.click('#whole');
  await page.mouse.click(...at(0.5, 0.4));
  await waitUntil(() => searches().length === 1);
  await page.context().close();
});

test('on a metered connection a button states the size of the segmenter and downloads it', async () => {
  env.mock.set({ ...works, segmenter: true });
  env.mock.requests.length = 0;
  const page = await env.open({ script: "Object.defineProperty(navigator, 'connection', { value: { saveData: true } });" });
  await tagPhoto(page, PNG);
  const offer = page.locator('#piece-list button');
  await offer.waitFor();
  assert.match(await offer.textContent(), /^Find the pieces \(download \d.* (kB|MB)\)$/);
  assert.deepEqual(asked(), ['/api/v1/segmenter']);
  await offer.click();
  await waitUntil(async () => (await offer.count()) === 2);
  await tagPhoto(page, PNG);
  await waitUntil(async () => (await offer.count()) === 2);
  await page.context().close();
});

test('an area is marked, moved and resized by clicks alone', async () => {
  env.mock.set(works);
  const page = await env.open();
  await tagPhoto(page, PNG);
  const area = () => page.getAttribute('.crop-area', 'aria-label');
  const clickAt = async (x, y) => {
    const box = await page.locator('.crop').boundingBox();
    await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
  };
  assert.equal(await page.isVisible('#larger'), false);
  await clickAt(0.5, 0.5);
  assert.match(await area(), /50% wide, 50% high, 25% from the left, 25% from the top/);
  await page.click('#smaller');
  assert.match(await area(), /40% wide, 40% high, 30% from the left, 30% from the top/);
  await clickAt(0.9, 0.5);
  assert.match(await area(), /40% wide, 40% high, 60% from the left, 30% from the top/);
  for (let clicks = 0; clicks < 5; clicks++) await page.click('#larger');
  assert.match(await area(), /the whole photo/);
  assert.equal(await page.isVisible('#larger'), false);
  assert.equal(await page.evaluate(() => document.activeElement.className), 'crop-area');
  await page.context().close();
});

test('the buttons are in the language of the page', async () => {
  const page = await openWithPieces({ language: 'zh-CN' });
  assert.deepEqual(await page.locator('#piece-list button').allTextContents(), ['上衣', '鞋']);
  await page.context().close();
});

test('the segmenter loads after a photo was tagged, and a shop without one shows no pieces', async () => {
  const page = await openWithPieces();
  assert.equal(page.workers().length, 1, 'all models run in one worker');
  const paths = env.mock.requests.map(({ path }) => path);
  assert.ok(paths.findIndex((path) => path.includes('segmenter')) > paths.findIndex((path) => path.includes('tagger/weights')));
  await page.context().close();

  env.mock.set(works);
  env.mock.requests.length = 0;
  const other = await env.open();
  await tagPhoto(other, PNG);
  await waitUntil(() => asked().length > 0);
  await other.waitForTimeout(300);
  assert.equal(await other.isVisible('#pieces'), false);
  assert.deepEqual(asked(), ['/api/v1/segmenter']);
  assert.deepEqual(other.problems, []);
  await other.context().close();
});
