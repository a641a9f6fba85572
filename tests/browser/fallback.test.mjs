// Never a hang and never wrong weights: whatever the GPU or the network does, the visitor gets tags or an explanation.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, open, tagPhoto } from './lib/browser.mjs';
import { missing, SITE } from './lib/places.mjs';
import { buildSite, prepend } from './lib/site.mjs';
import { startMock } from './mock/server.mjs';
import { photo } from './mock/shop.mjs';

const skip = missing(SITE);
const PNG = { name: 'photo.png', mimeType: 'image/png', buffer: photo() };
/** Larger than what the page keeps. */
const LARGE = { name: 'photo.png', mimeType: 'image/png', buffer: photo(2400, 3200) };
let browser, mock;

before(async () => {
  if (skip) return;
  browser = await launch({ gpu: true });
  mock = await startMock({ site: SITE });
});
after(async () => {
  await browser?.close();
  await mock?.close();
});

for (const behaviour of ['hangs', 'throws', 'panics', 'hangs-later', 'wrong']) {
  test(`WebGPU that ${behaviour} gives way to the CPU, quietly`, { skip }, async () => {
    mock.set({ modules: { webgpu: behaviour, cpu: 'works' } });
    const page = await open(browser, mock.url, { query: '?backend=webgpu&load-timeout=2&tag-timeout=2' });
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
    assert.equal(await page.locator('.notice:visible').count(), 0);
    await page.context().close();
  });
}

for (const behaviour of ['hangs', 'throws', 'wrong']) {
  test(`WebGPU that ${behaviour} costs at most five seconds, and the query encoder does not try it again`, { skip }, async () => {
    mock.set({ modules: { webgpu: behaviour, cpu: 'works' }, encoder: true });
    const page = await open(browser, mock.url, { query: '?backend=webgpu' });
    const from = Date.now();
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
    const took = Date.now() - from;
    assert.ok(took < 20_000, `${took} ms`);
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    assert.ok(Date.now() - from < took + 15_000);
    assert.deepEqual(asked.filter((url) => url.includes('webgpu')), []);
    await page.context().close();
  });
}

test('a GPU that fails the query encoder is given up for the style as well', { skip }, async () => {
  mock.set({ modules: { webgpu: 'embed-hangs', cpu: 'works' }, encoder: true });
  const page = await open(browser, mock.url, { query: '?backend=webgpu&tag-timeout=1' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#reading-note'), /WebGPU/);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.click('#another');
  await page.setInputFiles('#file', PNG);
  await page.waitForSelector('.verdict');
  assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
  await page.context().close();
});

test('an adapter that never comes costs at most five seconds', { skip }, async () => {
  mock.set({ modules: {} });
  const site = buildSite((folder) => prepend(join(folder, 'app/worker.js'), 'Object.defineProperty(navigator, "gpu", { value: { requestAdapter: () => new Promise(() => {}) } });'));
  mock.set({ modules: {}, site: site.path });
  const page = await open(browser, mock.url);
  const from = Date.now();
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#reading-note'), /\(CPU\)/);
  assert.ok(Date.now() - from < 20_000);
  await page.context().close();
  site.remove();
});

for (const [what, answer, readable] of [
  ['as they are', 'data', true],
  ['with noise of ±1', 'data.map((value, at) => (at % 4 === 3 ? value : value + (at % 3) - 1))', true],
  ['as white', 'data.fill(255)', false],
  ['as noise', 'data.map(() => Math.random() * 256)', false],
  ['not at all', 'null.refused', false],
]) {
  test(`a browser that hands out pixels ${what} ${readable ? 'tags' : 'is asked to send the photo, instead of tagging nonsense'}`, { skip }, async () => {
    mock.set({ modules: {}, encoder: true });
    const page = await open(browser, mock.url, {
      script: `const real = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = function (...place) {
          const image = real.apply(this, place);
          const { data } = image;
          return { width: image.width, height: image.height, data: ${answer} };
        };`,
    });
    await tagPhoto(page, LARGE);
    if (readable) {
      await page.waitForSelector('.verdict');
    } else {
      assert.match(await page.textContent('#tags .notice'), /hides a photo’s pixels/);
      await page.focus('.crop-corner.se');
      await page.keyboard.press('Shift+ArrowLeft');
      await page.click('#find-button');
      await page.click('#send-photo');
      await page.waitForSelector('.card-link');
      const { fields } = mock.requests.findLast(({ fields }) => fields);
      assert.deepEqual([fields.type, fields.crop], ['image/png', '{"x":0,"y":0,"width":2163,"height":3200}'], 'the file itself, and the box in its pixels');
    }
    await page.context().close();
  });
}

test('a module that fails on both backends is explained, and a second try starts afresh', { skip }, async () => {
  mock.set({ modules: { webgpu: 'throws', cpu: 'throws' } });
  const page = await open(browser, mock.url, { query: '?backend=webgpu' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /cannot be read in this browser/);
  mock.set({ modules: { webgpu: 'works', cpu: 'works' } });
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a CPU that hangs ends in words within its time', { skip }, async () => {
  mock.set({ modules: { cpu: 'hangs-later' } });
  const page = await open(browser, mock.url, { query: '?backend=cpu&tag-timeout=1' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /took too long/);
  await page.context().close();
});

test('a software adapter is never chosen', { skip }, async () => {
  mock.set({ modules: { webgpu: 'works', cpu: 'works' } });
  const page = await open(browser, mock.url);
  const software = await page.evaluate(async () => (await navigator.gpu?.requestAdapter())?.info.isFallbackAdapter ?? null);
  assert.notEqual(software, false, 'this machine has a real adapter, so the test would prove nothing');
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#reading-note'), /\(CPU\)/);
  await page.context().close();
});

test('damaged weights are refused and not kept', { skip }, async () => {
  mock.set({ modules: {}, weights: 'damaged' });
  const page = await open(browser, mock.url);
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /incomplete or altered, so it was not used/);
  assert.equal(await keptWeights(page), 0);
  mock.set({ modules: {} });
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await untilKept(page, 1);
  await page.context().close();
});

test('weights that rotted in the cache are fetched again', { skip }, async () => {
  mock.set({ modules: {} });
  const page = await open(browser, mock.url);
  await tagPhoto(page, PNG);
  await untilKept(page, 1);
  await page.evaluate(async () => {
    const cache = await caches.open('selvedge-weights');
    for (const request of await cache.keys()) await cache.put(request, new Response(new Uint8Array(300_000)));
  });
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, PNG);
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('weights are downloaded once', { skip }, async () => {
  mock.set({ modules: {} });
  const page = await open(browser, mock.url);
  await tagPhoto(page, PNG);
  await untilKept(page, 1);
  const asked = [];
  page.on('request', (request) => request.url().includes('/weights/') && asked.push(request.url()));
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, PNG);
  assert.deepEqual(asked, []);
  await page.context().close();
});

test('a slow download shows its progress and is no reason to give up the GPU', { skip }, async () => {
  mock.set({ modules: { webgpu: 'works' }, weights: 'slow' });
  const page = await open(browser, mock.url, { query: '?backend=webgpu&load-timeout=1' });
  await page.setInputFiles('#file', PNG);
  await page.waitForSelector('#tags progress');
  await page.waitForSelector('.verdict');
  assert.match(await page.textContent('#reading-note'), /WebGPU/);
  await page.context().close();
});

test('a shop that hands out no tagger is explained, and searching still works', { skip }, async () => {
  mock.set({ modules: {}, tagger: 503 });
  const page = await open(browser, mock.url);
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /did not send what that takes/);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('a device that cannot embed sends the photo only when told to', { skip }, async () => {
  mock.set({ modules: { cpu: 'cannot-embed' }, encoder: true });
  const page = await open(browser, mock.url, { query: '?backend=cpu' });
  await tagPhoto(page, PNG);
  mock.requests.length = 0;
  await page.click('#find-button');
  await page.waitForSelector('#send-photo');
  assert.match(await page.textContent('#results-body'), /could not be prepared for the search on this device/);
  assert.equal(mock.requests.filter(({ bytes }) => bytes > 0).length, 0);
  await page.click('#send-photo');
  await page.waitForSelector('.card-link');
  assert.match(await page.textContent('#results-note'), /was sent to the shop/);
  assert.equal(mock.requests.findLast(({ fields }) => fields).fields.type, 'image/jpeg');
  await page.context().close();
});

test('both models’ weights are kept, and a crop goes into the embedding', { skip }, async () => {
  mock.set({ modules: {}, encoder: true });
  const page = await open(browser, mock.url, { language: 'zh-CN' });
  await tagPhoto(page, PNG);
  await page.focus('.crop-corner.se');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.match(await page.textContent('#find-hint'), /照片留在本机/);
  assert.match(await page.textContent('#foot'), /照片留在本机/);
  const { query } = mock.requests.findLast(({ query }) => query);
  assert.deepEqual(query, { embedding: { model_id: 'mock@0', values: [0.6, -0.8] }, category: null, limit: 10 });
  await untilKept(page, 2);
  await page.context().close();
});

const keptWeights = (page) => page.evaluate(async () => (await (await caches.open('selvedge-weights')).keys()).length);

/** Weights are kept behind the visitor's back. */
async function untilKept(page, count) {
  for (let tries = 0; (await keptWeights(page)) !== count; tries++) {
    assert.ok(tries < 100, `${await keptWeights(page)} weights are kept, not ${count}`);
    await page.waitForTimeout(50);
  }
}
