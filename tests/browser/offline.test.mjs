// Caches of the service worker and the models' workers. After one visit the page works without a network, damaged copies are
// never cached, and a new release does not break open tabs.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, waitUntil } from './lib/setup.mjs';
import { buildSite, prepend, replaceIn } from './lib/site.mjs';

const VERDICT = 'Natural, Casual, Minimalist';
const env = setUp({ fakeSite: true });

/** Opens the page with a service worker, and waits until the worker controls the page. */
async function visit() {
  const page = await env.open({ serviceWorker: true });
  await untilControlled(page);
  return page;
}

const untilControlled = (page) => page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');

/** Returns the paths in all caches whose names begin with `prefix`. */
const cachedPaths = (page, prefix = 'selvedge-page-') =>
  page.evaluate(async (prefix) => {
    const names = (await caches.keys()).filter((name) => name.startsWith(prefix));
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  }, prefix);

/** Waits until a path that matches is in a cache. */
const untilCached = (page, pattern, prefix) => waitUntil(async () => (await cachedPaths(page, prefix)).some((path) => pattern.test(path)));

async function tag(page) {
  await tagPhoto(page, PNG);
  assert.equal(await page.textContent('.verdict, #tags .notice'), VERDICT);
}

async function reload(page) {
  await page.reload();
  await page.waitForSelector('html.ready', { timeout: 10_000 });
}

for (const [what, faults] of [['without a network', { offline: true }], ['while the tagger is not available', { tagger: 503, encoder: true }]]) {
  test(`after one visit with one photo the page works ${what}`, async () => {
    env.mock.set({ encoder: true });
    const page = await visit();
    await tag(page);
    await untilCached(page, /selvedge-cpu_bg\.wasm$/);
    await untilCached(page, /query-encoder\/weights/, 'selvedge-weights');
    await untilCached(page, /query-encoder$/, 'selvedge-manifests');
    env.mock.set(faults);
    await reload(page);
    await tag(page);
    if (faults.offline) {
      await page.click('#find-button');
      await page.waitForSelector('#results-body .notice');
      assert.match(await page.textContent('#results-body'), /is not responding/, 'the encoder ran, the search failed');
    }
    await page.context().close();
  });
}

test('no other document is cached under the page’s URL', async () => {
  const page = await visit();
  for (const path of ['api/v1/openapi.json', 'api/v1/samples', 'images/user/0.png', 'livez', 'login']) await page.goto(env.mock.url + path);
  env.mock.set({ damaged: [[/^\/$/, 'html']] });
  await page.goto(env.mock.url);
  assert.equal(await page.title(), 'Please log in', 'the page of the network is shown');
  env.mock.set({ offline: true });
  await page.goto(env.mock.url);
  await page.waitForSelector('html.ready', { timeout: 10_000 });
  assert.deepEqual((await cachedPaths(page)).filter((path) => !/^\/($|assets\/|icon\.svg$|manifest\.webmanifest$)/.test(path)), []);
  await page.context().close();
});

for (const [what, pattern, kinds] of [
  ['a module of the page', /\/app\/chunk-\w+\.js$/, ['html', 'truncated', 'flipped', 'missing']],
  ['a text table', /\/i18n\/zh\.json$/, ['html', 'truncated', 'flipped']],
  ['the wasm module', /selvedge-cpu_bg\.wasm$/, ['html', 'truncated', 'flipped']],
  ['the script of the wasm module', /selvedge-cpu\.js$/, ['html', 'truncated']],
]) {
  for (const kind of kinds) {
    test(`${what} (${kind}) is not cached, and the page works after the fault`, async () => {
      env.mock.set({ damaged: [[pattern, kind]] });
      const context = await env.browser.newContext({ locale: 'en-GB' });
      const page = await context.newPage();
      await page.goto(env.mock.url);
      await page.waitForTimeout(1_500);
      if (await page.evaluate(() => document.documentElement.classList.contains('ready'))) {
        await page.setInputFiles('#file', PNG);
        await page.waitForSelector('.verdict, #tags .notice');
        await page.waitForTimeout(500);
      }
      env.mock.set({});
      // On the visit after the fault the page replaces damaged copies in the HTTP cache.
      await page.goto(env.mock.url);
      await page.waitForSelector('html.ready', { timeout: 10_000 });
      await untilControlled(page);
      // A page may start in spite of a flipped bit. The service worker has replaced the file for the next visit.
      if (kind === 'flipped') await reload(page);
      await tag(page);
      await untilCached(page, /selvedge-cpu_bg\.wasm$/);
      await untilCached(page, /selvedge-cpu\.js$/);
      env.mock.set({ offline: true });
      await reload(page);
      await tag(page);
      await page.click('[data-lang=zh]');
      await page.waitForSelector('html[lang=zh-Hans]');
      assert.equal(await page.textContent('.verdict'), '自然、休闲、简约');
      await context.close();
    });
  }
}

test('a truncated manifest is fetched again without the HTTP cache', async () => {
  env.mock.set({});
  const page = await env.open({ serviceWorker: true });
  const modes = [];
  env.mock.set({ damaged: [[/^\/api\/v1\/tagger$/, 'truncated']] });
  page.context().on('request', async (request) => request.url().endsWith('/api/v1/tagger') && modes.push((await request.allHeaders())['cache-control'] ?? ''));
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /incomplete or damaged/);
  assert.deepEqual(await cachedPaths(page, 'selvedge-manifests'), []);
  assert.equal(env.mock.requests.filter(({ path }) => path === '/api/v1/tagger').length >= 2, true);
  assert.ok(modes.includes('no-cache'), 'the second request bypasses all caches');
  env.mock.set({});
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a new release is shown at once, does not break open tabs and reuses unchanged modules', async () => {
  env.mock.set({});
  const next = buildSite((folder) => replaceIn(join(folder, 'i18n/en.json'), 'Shop by photo', 'Shop by image'));
  const old = await visit();
  const context = old.context();
  await tag(old);
  await untilCached(old, /selvedge-cpu_bg\.wasm$/);
  env.mock.set({ site: next.path });
  env.mock.requests.length = 0;

  const fresh = await context.newPage();
  await fresh.goto(env.mock.url);
  await fresh.waitForSelector('html.ready');
  assert.equal(await fresh.textContent('h1'), 'Shop by image');
  const generation = await fresh.getAttribute('html', 'data-generation');
  const generations = () => fresh.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith('selvedge-page-')).join());
  await waitUntil(async () => (await generations()).split(',').length === 2);
  await waitUntil(() => fresh.evaluate(async () => {
    const { active, waiting, installing } = await navigator.serviceWorker.getRegistration();
    return active?.state === 'activated' && !waiting && !installing;
  }));

  // The old tab keeps using the old release, also for a language, a worker and a photo that it has not loaded yet.
  await old.click('[data-lang=zh]');
  await old.waitForSelector('html[lang=zh-Hans]');
  await old.click('#another');
  await old.setInputFiles('#file', PNG);
  await old.waitForSelector('.verdict');
  assert.deepEqual(old.problems, []);
  assert.match(await old.textContent('#notices'), /有新版本/, 'the old tab offers the new release');
  assert.equal(await fresh.textContent('#notices'), '');

  await fresh.setInputFiles('#file', PNG);
  await fresh.waitForSelector('.verdict');
  assert.deepEqual(env.mock.requests.filter(({ path }) => path.endsWith('.wasm')), [], 'the unchanged module is not fetched again');

  // After this no tab uses the old release.
  await old.close();
  await waitUntil(async () => {
    await reload(fresh); // the worker deletes unused caches on a navigation
    return (await generations()) === `selvedge-page-${generation}`;
  });
  env.mock.set({ offline: true });
  await fresh.reload();
  await fresh.waitForSelector('html.ready', { timeout: 10_000 });
  assert.equal(await fresh.getAttribute('html', 'data-generation'), generation);
  await context.close();
  next.remove();
});

test('a tab that was opened before a deploy gets the files of its own release', async () => {
  env.mock.set({});
  const next = buildSite((folder) => replaceIn(join(folder, 'wasm/selvedge-cpu.js'), "'works'", "'works' "), env.site);
  const page = await env.open();
  env.mock.set({ site: next.path });
  await tag(page);
  assert.deepEqual(page.problems, []);
  await page.context().close();
  next.remove();
});

test('a tab without a cached module asks for a reload if its release is no longer there', async () => {
  env.mock.set({});
  const next = buildSite((folder) => replaceIn(join(folder, 'wasm/selvedge-cpu.js'), "'works'", "'works' "));
  const page = await visit();
  env.mock.set({ site: next.path });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /updated this page. Reload it/);
  await page.reload();
  await page.waitForSelector('html.ready');
  await tag(page);
  await page.context().close();
  next.remove();
});

const FULL = 'Cache.prototype.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));';

for (const [what, broken, files = ['app/worker.js', 'sw.js']] of [
  ['refuses reads', 'Cache.prototype.match = CacheStorage.prototype.match = () => Promise.reject(new Error("no"));'],
  ['never answers a read', 'Cache.prototype.match = CacheStorage.prototype.match = () => new Promise(() => {});'],
  ['is full', FULL],
  ['is full for the weights alone', FULL, ['app/worker.js']],
  ['never ends a write', 'Cache.prototype.put = () => new Promise(() => {});'],
  ['is forbidden', 'CacheStorage.prototype.open = () => Promise.reject(new DOMException("no", "SecurityError"));'],
]) {
  test(`photos are tagged if the storage ${what}`, async () => {
    env.mock.set({});
    const next = buildSite((folder) => {
      for (const file of files) prepend(join(folder, file), broken);
    });
    env.mock.set({ site: next.path });
    const page = await env.open({ serviceWorker: true });
    await page.waitForTimeout(500);
    await tag(page);
    if (broken === FULL) await page.waitForSelector('#notices :text("storage is full")');
    await page.reload();
    await page.waitForSelector('html.ready', { timeout: 10_000 });
    await tag(page);
    assert.deepEqual(page.problems, []);
    await page.context().close();
    next.remove();
  });
}
