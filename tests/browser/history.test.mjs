// History of this device: off by default, small copies, a limited number, and erased in one act.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { pngFile, PNG, setUp, waitUntil, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

/** Opens the page; `on` turns the history on first. */
async function open({ on = true, script = '' } = {}) {
  env.mock.set(works);
  const page = await env.open({ script });
  if (on) {
    await page.click('#open-history');
    await page.check('#history-on');
    await page.click('#panel .close');
  }
  return page;
}

/** Returns the entries in the browser's storage, or null if it has no history. */
const stored = (page) =>
  page.evaluate(async () => {
    if (!(await indexedDB.databases()).some(({ name }) => name === 'selvedge-history')) return null;
    const wait = (pending) => new Promise((done, fail) => Object.assign(pending, { onsuccess: () => done(pending.result), onerror: () => fail(pending.error) }));
    const database = await wait(indexedDB.open('selvedge-history'));
    const entries = await wait(database.transaction('entries').objectStore('entries').getAll());
    database.close();
    return Promise.all(entries.map(async ({ kind, id, copy }) => {
      const { width, height } = await createImageBitmap(copy);
      return { kind, id, width, height };
    }));
  });

test('nothing is stored until the history is turned on', { skip }, async () => {
  const page = await open({ on: false });
  await tagPhoto(page, PNG);
  await page.waitForTimeout(300);
  assert.equal(await stored(page), null);
  await page.click('#open-history');
  assert.equal(await page.isChecked('#history-on'), false);
  assert.match(await page.textContent('#panel'), /only in this browser’s storage on this device/);
  await page.context().close();
});

test('photos and products are stored as small copies, opened again, and erased in one act', { skip }, async () => {
  const page = await open();
  await page.setInputFiles('#file', pngFile(900, 1200));
  await page.waitForSelector('.verdict');
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.locator('.card-link').first().click();
  await page.waitForSelector('#product dl');
  await page.click('#product .close');
  await waitUntil(async () => (await stored(page)).length === 2);
  const entries = await stored(page);
  assert.deepEqual(entries.map(({ kind }) => kind).sort(), ['photo', 'product']);
  assert.ok(entries.every(({ width, height }) => Math.max(width, height) <= 256), JSON.stringify(entries));

  await page.reload();
  await page.waitForSelector('html.ready');
  await page.click('#open-history');
  await page.click('[data-kind=photo]');
  await page.waitForSelector('.verdict');
  assert.equal(await page.$eval('#frame canvas', ({ width, height }) => `${width}x${height}`), '192x256');
  await page.click('#open-history');
  assert.equal(await page.locator('.history-entry').count(), 2, 'a photo of the history is not stored again');
  await page.click('[data-kind=product]');
  await page.waitForSelector('#product dl');
  await page.click('#product .close');

  await page.click('#open-history');
  await page.click('#history-erase');
  await page.waitForFunction(() => document.querySelectorAll('.history-entry').length === 0);
  assert.equal(await page.isChecked('#history-on'), true);
  await page.uncheck('#history-on');
  await waitUntil(async () => (await stored(page)) === null);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('the history has at most 24 entries', { skip }, async () => {
  const page = await open();
  for (let i = 0; i < 26; i++) {
    await page.setInputFiles('#file', pngFile(40 + i, 60));
    await page.waitForFunction((width) => document.querySelector('#frame canvas')?.width === width, 40 + i);
    await page.waitForTimeout(30);
  }
  await waitUntil(async () => {
    const entries = await stored(page);
    return entries.length === 24 && Math.min(...entries.map(({ width }) => width)) === 42;
  });
  await page.context().close();
});

for (const [what, script] of [
  ['is full', 'IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };'],
  ['is forbidden', 'IDBFactory.prototype.open = () => { throw new DOMException("no", "SecurityError"); };'],
]) {
  test(`the page works and says so if the storage ${what}`, { skip }, async () => {
    const page = await open({ script });
    await tagPhoto(page, PNG);
    await page.waitForSelector('#notices .notice');
    assert.match(await page.textContent('#notices'), /history cannot be stored/);
    assert.equal(await page.textContent('.verdict'), 'Natural, Casual, Minimalist');
    await page.context().close();
  });
}
