// Start of the page: the files that it fetches before a photo, and its behaviour if files are missing or damaged.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { PNG, setUp, waitUntil } from './lib/setup.mjs';

/** Largest size of the page's files before a sign that a photo follows, bytes with gzip. Images of the shop are not counted. */
const BUDGET = 60_000;
const LARGE_FILES = /\/wasm\/|\/weights\/|query-encoder/;
const env = setUp({ fakeSite: true });
const requestedPaths = () => env.mock.requests.map(({ path }) => new URL(path, env.mock.url).pathname);

const SIGNS = {
  'a pointer over the picker': (page) => page.hover('#drop'),
  'a focused file input': (page) => page.focus('#file'),
  'a touch on the picker': (page) => page.dispatchEvent('#drop', 'touchstart'),
  'a pointer over a sample': (page) => page.hover('.sample'),
  'a drag into the page': (page) => page.dispatchEvent('body', 'dragenter'),
};

for (const [what, giveSign] of Object.entries(SIGNS)) {
  test(`module and tagger load only after ${what}, and the encoder after a photo`, async (t) => {
    env.mock.set({ encoder: true });
    env.mock.requests.length = 0;
    const page = await env.open({ serviceWorker: true });
    await page.waitForSelector('.sample');
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForTimeout(500);
    assert.deepEqual(requestedPaths().filter((path) => LARGE_FILES.test(path)), []);
    const files = [...new Set(requestedPaths())].map((path) => join(env.site, path === '/' ? 'index.html' : path)).filter((file) => existsSync(file));
    const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
    t.diagnostic(`${files.length} files, ${bytes} bytes with gzip`);
    assert.ok(files.length > 6 && bytes <= BUDGET, `${bytes} bytes`);

    await giveSign(page);
    await waitUntil(() => requestedPaths().some((path) => path.endsWith('_bg.wasm')) && requestedPaths().some((path) => path.includes('/tagger/weights/')));
    await page.waitForTimeout(200);
    assert.deepEqual(requestedPaths().filter((path) => path.includes('query-encoder')), []);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    await waitUntil(() => requestedPaths().some((path) => path.includes('/query-encoder/weights/')));
    await page.context().close();
  });
}

for (const [connection, loadsTagger] of [[{ saveData: true }, false], [{ effectiveType: '3g' }, true], [{ type: 'cellular', effectiveType: '4g' }, true]]) {
  test(`with ${JSON.stringify(connection)} the encoder loads only for a search${loadsTagger ? '' : ', and the tagger only for a photo'}`, async () => {
    env.mock.set({ encoder: true, weights: 'slow' });
    env.mock.requests.length = 0;
    const page = await env.open({ script: `Object.defineProperty(navigator, 'connection', { value: ${JSON.stringify(connection)} });` });
    await page.hover('#drop');
    await page.waitForTimeout(500);
    assert.equal(requestedPaths().some((path) => LARGE_FILES.test(path)), loadsTagger);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    await page.waitForTimeout(500);
    assert.deepEqual(requestedPaths().filter((path) => path.includes('query-encoder/')), []);
    await page.click('#find-button');
    await page.click('#choose-download');
    await page.waitForFunction(() => /Preparing the search: \d+%/.test(document.body.textContent));
    await page.waitForSelector('.card-link');
    await page.context().close();
  });
}

const METERED = "Object.defineProperty(navigator, 'connection', { value: { type: 'cellular', effectiveType: '4g' } });";
const searches = () => env.mock.requests.filter(({ method, path }) => method === 'POST' && path.startsWith('/api/v1/search'));

for (const [choice, note] of [
  ['download', /stayed on this device/],
  ['send', /was sent to the shop/],
]) {
  test(`on a metered connection the visitor chooses to ${choice} once, and sees what each choice costs`, async () => {
    env.mock.set({ encoder: true });
    env.mock.requests.length = 0;
    const page = await env.open({ script: METERED });
    const search = async () => {
      await page.setInputFiles('#file', PNG);
      await page.waitForSelector('.verdict');
      await page.click('#find-button');
    };
    await search();
    const buttons = page.locator('#results-body button');
    await buttons.first().waitFor();
    for (const text of await buttons.allTextContents()) assert.match(text, /\d+(\.\d+)? (kB|MB)/);
    assert.equal(searches().length, 0);
    await page.click(`#choose-${choice}`);
    await page.waitForSelector('.card-link');
    assert.match(await page.textContent('#results-note'), note);
    assert.equal(requestedPaths().some((path) => path.includes('query-encoder/weights')), choice === 'download');

    await page.reload();
    await page.waitForSelector('html.ready');
    await search();
    await page.waitForSelector('.card-link, #choose-send');
    assert.equal(await page.locator('#choose-send').count(), 0, 'the page does not ask again');
    if (choice === 'send') {
      await page.click('#open-privacy');
      assert.match(await page.textContent('#metered'), /photos are sent to the shop/);
      await page.click('#metered button');
      await page.keyboard.press('Escape');
      await page.click('#another');
      await search();
      await page.waitForSelector('#choose-send');
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

for (const [what, pattern, fault] of [
  ['its first module is missing', /\/main\.js$/, 'missing'],
  ['a module is an HTML page', /\/chunk-\w+\.js$/, 'html'],
  ['a module is truncated', /\/main\.js$/, 'truncated'],
]) {
  test(`the page shows a notice in both languages if ${what}`, async () => {
    env.mock.set({ damaged: [[pattern, fault]] });
    const context = await env.browser.newContext({ serviceWorkers: 'block' });
    const page = await context.newPage();
    await page.goto(env.mock.url);
    await page.waitForSelector('#boot:not([hidden])');
    await page.waitForTimeout(1_500); // the page reloads itself once
    await page.waitForSelector('#boot:not([hidden])');
    assert.match(await page.innerText('#boot'), /could not load completely.*页面未能完整加载.*Reload/s);
    const loads = env.mock.requests.filter(({ path }) => path === '/').length;
    await page.waitForTimeout(1_500);
    assert.equal(env.mock.requests.filter(({ path }) => path === '/').length, loads, 'the page does not reload in a loop');
    env.mock.set({});
    await page.click('#boot button');
    await page.waitForSelector('html.ready');
    assert.ok(await page.isHidden('#boot'));
    await context.close();
  });
}

test('the page is in English if the texts of another language do not load', async () => {
  for (const fault of ['missing', 'html', 'truncated']) {
    env.mock.set({ damaged: [[/\/zh\.json$/, fault]] });
    const page = await env.open({ language: 'zh-CN' });
    assert.match(await page.textContent('h1'), /^Shop by photo/);
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    assert.doesNotMatch(await page.innerText('body'), /\b(style|results|find|pick|crop|problem|label|photo)\.[a-z]/, 'no key is shown');
    await page.context().close();
  }
});

test('the page starts without fetch', async () => {
  const page = await env.open({ language: 'zh-CN', script: "globalThis.fetch = () => Promise.reject(new TypeError('refused'));" });
  assert.match(await page.textContent('h1'), /^Shop by photo/);
  await page.context().close();
});
