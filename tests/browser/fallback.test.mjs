// Never a hang and never wrong weights: whatever the GPU or the network does, the visitor gets tags or an explanation.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, open, tagPhoto } from './lib/browser.mjs';
import { missing, SITE } from './lib/places.mjs';
import { startMock } from './mock/server.mjs';
import { photo } from './mock/shop.mjs';

const skip = missing(SITE);
const PNG = { name: 'photo.png', mimeType: 'image/png', buffer: photo() };
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

for (const behaviour of ['hangs', 'throws', 'panics', 'hangs-later']) {
  test(`WebGPU that ${behaviour} gives way to the CPU, quietly`, { skip }, async () => {
    mock.set({ modules: { webgpu: behaviour, cpu: 'works' } });
    const page = await open(browser, mock.url, { query: '?backend=webgpu&load-timeout=2&tag-timeout=2' });
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor was not available/);
    assert.equal(await page.locator('.notice:visible').count(), 0);
    await page.context().close();
  });
}

test('a module that fails on both backends is explained, and a second try starts afresh', { skip }, async () => {
  mock.set({ modules: { webgpu: 'throws', cpu: 'throws' } });
  const page = await open(browser, mock.url, { query: '?backend=webgpu' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /could not be read in this browser/);
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
  assert.match(await page.textContent('#tags'), /arrived damaged and was refused/);
  assert.equal(await keptWeights(page), 0);
  mock.set({ modules: {} });
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  assert.equal(await keptWeights(page), 1);
  await page.context().close();
});

test('weights that rotted in the cache are fetched again', { skip }, async () => {
  mock.set({ modules: {} });
  const page = await open(browser, mock.url);
  await tagPhoto(page, PNG);
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
  assert.match(await page.textContent('#tags'), /did not hand out/);
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
  assert.match(await page.textContent('#results-body'), /could not describe the photo/);
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
  assert.match(await page.textContent('#foot'), /照片不会离开设备/);
  const { query } = mock.requests.findLast(({ query }) => query);
  assert.deepEqual(query, { embedding: { model_id: 'mock@0', values: [0.6, -0.8] }, category: null, limit: 10 });
  assert.equal(await keptWeights(page), 2);
  await page.context().close();
});

const keptWeights = (page) => page.evaluate(async () => (await (await caches.open('selvedge-weights')).keys()).length);
