// How the page starts: what it fetches before a photo is on its way, and what it says when a part of it does not come.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { launch, open } from './lib/browser.mjs';
import { buildSite } from './lib/site.mjs';
import { startMock } from './mock/server.mjs';
import { photo } from './mock/shop.mjs';

const PNG = { name: 'photo.png', mimeType: 'image/png', buffer: photo() };
/** What the page may take before somebody means to choose a photo, bytes, gzip; pictures of the shop aside. */
const BUDGET = 60_000;
const HEAVY = /\/wasm\/|\/weights\/|query-encoder/;
let browser, mock, site;

before(async () => {
  site = buildSite();
  browser = await launch();
  mock = await startMock({ site: site.path });
});
after(async () => {
  await browser?.close();
  await mock?.close();
  site?.remove();
});

const asked = () => mock.requests.map(({ path }) => new URL(path, mock.url).pathname);

async function waitFor(holds) {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 200, `never: ${holds}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const SIGNS = {
  'a pointer over the picker': (page) => page.hover('#drop'),
  'the focus on the file input': (page) => page.focus('#file'),
  'a finger on the picker': (page) => page.dispatchEvent('#drop', 'touchstart'),
  'a sample under the pointer': (page) => page.hover('.sample'),
  'something dragged in': (page) => page.dispatchEvent('body', 'dragenter'),
};

for (const [what, give] of Object.entries(SIGNS)) {
  test(`nothing heavy comes before ${what}; then module and weights do, and not the encoder`, async (t) => {
    mock.set({ encoder: true });
    mock.requests.length = 0;
    const page = await open(browser, mock.url, { offline: true });
    await page.waitForSelector('.sample');
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForTimeout(500);
    assert.deepEqual(asked().filter((path) => HEAVY.test(path)), []);
    const own = [...new Set(asked())].map((path) => join(site.path, path === '/' ? 'index.html' : path)).filter((file) => existsSync(file));
    const bytes = own.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
    t.diagnostic(`${own.length} files, ${bytes} bytes, gzip`);
    assert.ok(own.length > 20 && bytes <= BUDGET, `${bytes} bytes`);

    await give(page);
    await waitFor(() => asked().some((path) => path.endsWith('_bg.wasm')) && asked().some((path) => path.includes('/tagger/weights/')));
    await page.waitForTimeout(200);
    assert.deepEqual(asked().filter((path) => path.includes('query-encoder')), []);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    await waitFor(() => asked().some((path) => path.includes('/query-encoder/weights/')));
    await page.context().close();
  });
}

for (const [connection, early] of [[{ saveData: true }, false], [{ effectiveType: '3g' }, true], [{ type: 'cellular', effectiveType: '4g' }, true]]) {
  test(`with ${JSON.stringify(connection)} the encoder waits for a search${early ? '' : ', and the tagger for a photo'}`, async () => {
    mock.set({ encoder: true, weights: 'slow' });
    mock.requests.length = 0;
    const page = await open(browser, mock.url, { script: `Object.defineProperty(navigator, 'connection', { value: ${JSON.stringify(connection)} });` });
    await page.hover('#drop');
    await page.waitForTimeout(500);
    assert.equal(asked().some((path) => HEAVY.test(path)), early);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    await page.waitForTimeout(500);
    assert.deepEqual(asked().filter((path) => path.includes('query-encoder/')), []);
    await page.click('#find-button');
    await page.waitForFunction(() => /Preparing the search: \d+%/.test(document.body.textContent));
    await page.waitForSelector('.card-link');
    await page.context().close();
  });
}

for (const [what, pattern, fault] of [
  ['its first module is missing', /\/main\.js$/, 'missing'],
  ['a module is a web page', /\/api\.js$/, 'html'],
  ['a module is cut', /\/crop\.js$/, 'cut'],
]) {
  test(`says in both languages that it did not start, where ${what}`, async () => {
    mock.set({ bad: [[pattern, fault]] });
    const context = await browser.newContext({ serviceWorkers: 'block' });
    const page = await context.newPage();
    await page.goto(mock.url);
    await page.waitForSelector('#boot:not([hidden])');
    await page.waitForTimeout(1_500); // it tries again once, by itself
    await page.waitForSelector('#boot:not([hidden])');
    assert.match(await page.innerText('#boot'), /did not start.*页面未能启动.*Reload/s);
    const loads = mock.requests.filter(({ path }) => path === '/').length;
    await page.waitForTimeout(1_500);
    assert.equal(mock.requests.filter(({ path }) => path === '/').length, loads, 'it does not load itself for ever');
    mock.set({});
    await page.click('#boot button');
    await page.waitForSelector('html.ready');
    assert.ok(await page.isHidden('#boot'));
    await context.close();
  });
}

test('speaks English where the words of another language do not come', async () => {
  for (const fault of ['missing', 'html', 'cut']) {
    mock.set({ bad: [[/\/zh\.json$/, fault]] });
    const page = await open(browser, mock.url, { language: 'zh-CN' });
    assert.match(await page.textContent('h1'), /^Find it by its look/);
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
    assert.doesNotMatch(await page.innerText('body'), /\b(style|results|find|pick|crop|problem|label|photo)\.[a-z]/, 'no key is shown');
    await page.context().close();
  }
});

test('works where the page may fetch nothing', async () => {
  const page = await open(browser, mock.url, { language: 'zh-CN', script: "globalThis.fetch = () => Promise.reject(new TypeError('refused'));" });
  assert.match(await page.textContent('h1'), /^Find it by its look/);
  await page.context().close();
});
