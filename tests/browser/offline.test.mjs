// What the service worker and the models' workers keep: one visit is enough to work without a network, nothing wrong is
// ever kept, and a new release breaks no open tab.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, open, tagPhoto } from './lib/browser.mjs';
import { buildSite, prepend, replaceIn } from './lib/site.mjs';
import { startMock } from './mock/server.mjs';
import { photo } from './mock/shop.mjs';

const PNG = { name: 'photo.png', mimeType: 'image/png', buffer: photo() };
const VERDICT = 'Natural, Casual, Minimalist';
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

/** Opens the page with a service worker, and waits until that controls it. */
async function visit({ query = '', language } = {}) {
  const page = await open(browser, mock.url, { query, language, offline: true });
  await controlled(page);
  return page;
}

const controlled = (page) => page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');

/** The paths in all caches whose names begin with `prefix`. */
const kept = (page, prefix = 'selvedge-page-') =>
  page.evaluate(async (prefix) => {
    const names = (await caches.keys()).filter((name) => name.startsWith(prefix));
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  }, prefix);

/** Waits until `holds` resolves to true. */
async function until(holds) {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 100, `never: ${holds}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Waits until a path that matches is in a cache. */
const untilKept = (page, pattern, prefix) => until(async () => (await kept(page, prefix)).some((path) => pattern.test(path)));

async function tag(page) {
  await tagPhoto(page, PNG);
  assert.equal(await page.textContent('.verdict, #tags .notice'), VERDICT);
}

async function reload(page) {
  await page.reload();
  await page.waitForSelector('html.ready', { timeout: 10_000 });
}

for (const [what, faults] of [['no network', { gone: true }], ['a shop that fails', { tagger: 503, encoder: true }]]) {
  test(`one visit with one photo is enough for ${what}`, async () => {
    mock.set({ encoder: true });
    const page = await visit();
    await tag(page);
    await untilKept(page, /selvedge-cpu_bg\.wasm$/);
    await untilKept(page, /query-encoder\/weights/, 'selvedge-weights');
    await untilKept(page, /query-encoder$/, 'selvedge-manifests');
    mock.set(faults);
    await reload(page);
    await tag(page);
    if (faults.gone) {
      await page.click('#find-button');
      await page.waitForSelector('#results-body .notice');
      assert.match(await page.textContent('#results-body'), /does not answer/, 'the encoder ran, the search failed');
    }
    await page.context().close();
  });
}

test('only the page itself is kept for the page’s address', async () => {
  const page = await visit();
  for (const path of ['api/v1/openapi.json', 'api/v1/samples', 'images/user/0.png', 'livez', 'login']) await page.goto(mock.url + path);
  mock.set({ bad: [[/^\/$/, 'html']] });
  await page.goto(mock.url);
  assert.equal(await page.title(), 'Please log in', 'what the network says is shown');
  mock.set({ gone: true });
  await page.goto(mock.url);
  await page.waitForSelector('html.ready', { timeout: 10_000 });
  assert.deepEqual((await kept(page)).filter((path) => !/^\/($|assets\/|icon\.svg$|manifest\.webmanifest$)/.test(path)), []);
  await page.context().close();
});

for (const [what, pattern, faults] of [
  ['a module of the page', /\/app\/tags-view\.js$/, ['html', 'cut', 'flipped', 'missing']],
  ['words', /\/i18n\/zh\.json$/, ['html', 'cut', 'flipped']],
  ['the wasm module', /selvedge-cpu_bg\.wasm$/, ['html', 'cut', 'flipped']],
  ['its script', /selvedge-cpu\.js$/, ['html', 'cut']],
]) {
  for (const fault of faults) {
    test(`${what} that came ${fault} is not kept, and right again when the fault is gone`, async () => {
      mock.set({ bad: [[pattern, fault]] });
      const context = await browser.newContext({ locale: 'en-GB' });
      const page = await context.newPage();
      await page.goto(mock.url);
      await page.waitForTimeout(1_500);
      if (await page.evaluate(() => document.documentElement.classList.contains('ready'))) {
        await page.setInputFiles('#file', PNG);
        await page.waitForSelector('.verdict, #tags .notice');
        await page.waitForTimeout(500);
      }
      mock.set({});
      // The visit after the fault: the page mends what the browser's own cache holds.
      await page.goto(mock.url);
      await page.waitForSelector('html.ready', { timeout: 10_000 });
      await controlled(page);
      // A flipped bit does not always stop a page; the service worker has replaced it for the next visit.
      if (fault === 'flipped') await reload(page);
      await tag(page);
      await untilKept(page, /selvedge-cpu_bg\.wasm$/);
      await untilKept(page, /selvedge-cpu\.js$/);
      mock.set({ gone: true });
      await reload(page);
      await tag(page);
      await page.click('[data-lang=zh]');
      await page.waitForSelector('html[lang=zh-Hans]');
      assert.equal(await page.textContent('.verdict'), '自然、休闲、简约');
      await context.close();
    });
  }
}

test('a cut manifest is fetched again past the browser’s cache', async () => {
  mock.set({});
  const page = await open(browser, mock.url, { offline: true });
  const modes = [];
  mock.set({ bad: [[/^\/api\/v1\/tagger$/, 'cut']] });
  page.context().on('request', async (request) => request.url().endsWith('/api/v1/tagger') && modes.push((await request.allHeaders())['cache-control'] ?? ''));
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /incomplete or altered/);
  assert.deepEqual(await kept(page, 'selvedge-manifests'), []);
  assert.equal(mock.requests.filter(({ path }) => path === '/api/v1/tagger').length >= 2, true);
  assert.ok(modes.includes('no-cache'), 'the second request asks past every cache');
  mock.set({});
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a new release shows at once, breaks no open tab and takes unchanged modules over', async () => {
  mock.set({});
  const next = buildSite((folder) => replaceIn(join(folder, 'i18n/en.json'), 'Find it by its look', 'Found by its look'));
  const old = await visit();
  const context = old.context();
  await tag(old);
  await untilKept(old, /selvedge-cpu_bg\.wasm$/);
  mock.set({ site: next.path });
  mock.requests.length = 0;

  const fresh = await context.newPage();
  await fresh.goto(mock.url);
  await fresh.waitForSelector('html.ready');
  assert.equal(await fresh.textContent('h1'), 'Found by its look');
  const generation = await fresh.getAttribute('html', 'data-generation');
  const generations = () => fresh.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith('selvedge-page-')).join());
  await until(async () => (await generations()).split(',').length === 2);
  await until(() => fresh.evaluate(async () => {
    const { active, waiting, installing } = await navigator.serviceWorker.getRegistration();
    return active?.state === 'activated' && !waiting && !installing;
  }));

  // The old tab goes on with the old release: a language that it had not fetched, another worker, another photo.
  await old.click('[data-lang=zh]');
  await old.waitForSelector('html[lang=zh-Hans]');
  await old.click('#another');
  await old.setInputFiles('#file', PNG);
  await old.waitForSelector('.verdict');
  assert.deepEqual(old.problems, []);

  await fresh.setInputFiles('#file', PNG);
  await fresh.waitForSelector('.verdict');
  assert.deepEqual(mock.requests.filter(({ path }) => path.endsWith('.wasm')), [], 'the unchanged module is not fetched again');

  // No tab uses the old release any more.
  await old.close();
  await until(async () => {
    await reload(fresh); // a navigation is when the worker looks
    return (await generations()) === `selvedge-page-${generation}`;
  });
  mock.set({ gone: true });
  await fresh.reload();
  await fresh.waitForSelector('html.ready', { timeout: 10_000 });
  assert.equal(await fresh.getAttribute('html', 'data-generation'), generation);
  await context.close();
  next.remove();
});

test('a tab without a kept module is told when its release has gone', async () => {
  mock.set({});
  const next = buildSite((folder) => replaceIn(join(folder, 'wasm/selvedge-cpu.js'), "'works'", "'works' "));
  const page = await visit();
  mock.set({ site: next.path });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /renewed this page. Reload it/);
  await page.reload();
  await page.waitForSelector('html.ready');
  await tag(page);
  await page.context().close();
  next.remove();
});

for (const [what, broken] of [
  ['refuses to be read', 'Cache.prototype.match = CacheStorage.prototype.match = () => Promise.reject(new Error("no"));'],
  ['never answers a read', 'Cache.prototype.match = CacheStorage.prototype.match = () => new Promise(() => {});'],
  ['is full', 'Cache.prototype.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));'],
  ['never ends a write', 'Cache.prototype.put = () => new Promise(() => {});'],
  ['is forbidden', 'CacheStorage.prototype.open = () => Promise.reject(new DOMException("no", "SecurityError"));'],
]) {
  test(`a storage that ${what} costs nobody the tags`, async () => {
    mock.set({});
    const broke = buildSite((folder) => {
      for (const file of ['app/worker.js', 'sw.js']) prepend(join(folder, file), broken);
    });
    mock.set({ site: broke.path });
    const page = await open(browser, mock.url, { offline: true });
    await page.waitForTimeout(500);
    await tag(page);
    await page.reload();
    await page.waitForSelector('html.ready', { timeout: 10_000 });
    await tag(page);
    assert.deepEqual(page.problems, []);
    await page.context().close();
    broke.remove();
  });
}
