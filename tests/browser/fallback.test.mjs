// Failures of the GPU, the network and the caches. The visitor always gets tags or an explanation within a time limit.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, pngFile, setUp, waitUntil } from './lib/setup.mjs';
import { buildSite, prepend } from './lib/site.mjs';

const env = setUp({ gpu: true });
const { skip } = env;
/** Photo that the page scales down. */
const LARGE = pngFile(2400, 3200);

for (const behaviour of ['hangs', 'throws', 'panics', 'hangs-later', 'wrong']) {
  test(`the page uses the CPU without an error message if WebGPU ${behaviour}`, { skip }, async () => {
    env.mock.set({ modules: { webgpu: behaviour, cpu: 'works' } });
    const page = await env.open({ query: '?backend=webgpu&load-timeout=2&tag-timeout=2' });
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
    assert.equal(await page.locator('.notice:visible').count(), 0);
    await page.context().close();
  });
}

for (const behaviour of ['hangs', 'throws', 'wrong']) {
  test(`if WebGPU ${behaviour}, tags come in time, and the query encoder does not use WebGPU`, { skip }, async () => {
    env.mock.set({ modules: { webgpu: behaviour, cpu: 'works' }, encoder: true });
    const page = await env.open({ query: '?backend=webgpu' });
    const start = Date.now();
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
    const elapsed = Date.now() - start;
    assert.ok(elapsed < 20_000, `${elapsed} ms`);
    const urls = [];
    page.on('request', (request) => urls.push(request.url()));
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    assert.ok(Date.now() - start < elapsed + 15_000);
    assert.deepEqual(urls.filter((url) => url.includes('webgpu')), []);
    await page.context().close();
  });
}

test('after a GPU failure of the query encoder the tagger uses the CPU, too', { skip }, async () => {
  env.mock.set({ modules: { webgpu: 'embed-hangs', cpu: 'works' }, encoder: true });
  const page = await env.open({ query: '?backend=webgpu&tag-timeout=1' });
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

test('tags come in time if the adapter request never ends', { skip }, async () => {
  env.mock.set({ modules: {} });
  const site = buildSite((folder) => prepend(join(folder, 'app/worker.js'), 'Object.defineProperty(navigator, "gpu", { value: { requestAdapter: () => new Promise(() => {}) } });'));
  env.mock.set({ modules: {}, site: site.path });
  const page = await env.open();
  const start = Date.now();
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#reading-note'), /\(CPU\)/);
  assert.ok(Date.now() - start < 20_000);
  await page.context().close();
  site.remove();
});

const WHITE = 'data.fill(255)';
const NOISE = 'data.map(() => Math.random() * 256)';
for (const [what, canvas, frame, readable] of [
  ['unchanged', 'data', null, true],
  ['with noise of ±1', 'data.map((value, at) => (at % 4 === 3 ? value : value + (at % 3) - 1))', null, true],
  ['of a canvas as white, and has WebCodecs', WHITE, 'data', true],
  ['of a canvas as noise, and has WebCodecs', NOISE, 'data', true],
  ['of canvas and WebCodecs as noise', NOISE, NOISE, false],
  ['as white', WHITE, null, false],
  ['as noise', NOISE, null, false],
  ['not at all', 'null.refused', null, false],
]) {
  test(`a browser that returns pixels ${what} ${readable ? 'tags the photo' : 'does not tag the photo and offers to send it'}`, { skip }, async () => {
    const falsify = (contexts) => `for (const Context of [${contexts}]) {
      const real = Context.prototype.getImageData;
      Context.prototype.getImageData = function (...place) {
        const image = real.apply(this, place);
        const { data } = image;
        return { width: image.width, height: image.height, data: ${canvas} };
      };
    }`;
    const frames = `const copyTo = globalThis.VideoFrame?.prototype.copyTo;
      if (${frame === null}) delete globalThis.VideoFrame;
      else VideoFrame.prototype.copyTo = async function (data, how) { await copyTo.call(this, data, how); data.set(${frame}); };`;
    const site = buildSite((folder) => prepend(join(folder, 'app/worker.js'), falsify('OffscreenCanvasRenderingContext2D') + frames));
    env.mock.set({ modules: {}, encoder: true, site: site.path });
    const page = await env.open({ script: falsify('CanvasRenderingContext2D') });
    await tagPhoto(page, LARGE);
    if (readable) {
      await page.waitForSelector('.verdict');
    } else {
      assert.match(await page.textContent('#tags .notice'), /does not let the page read your photo/);
      await page.focus('.crop-corner.se');
      await page.keyboard.press('Shift+ArrowLeft');
      await page.click('#find-button');
      await page.click('#send-photo');
      await page.waitForSelector('.card-link');
      const { fields } = env.mock.requests.findLast(({ fields }) => fields);
      assert.deepEqual([fields.type, fields.crop], ['image/png', '{"x":0,"y":0,"width":2163,"height":3200}'], 'the original file, with the box in its pixels');
    }
    await page.context().close();
    site.remove();
  });
}

test('a module that fails on both backends is explained, and a retry works', { skip }, async () => {
  env.mock.set({ modules: { webgpu: 'throws', cpu: 'throws' } });
  const page = await env.open({ query: '?backend=webgpu' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /This browser cannot recognise the style/);
  env.mock.set({ modules: { webgpu: 'works', cpu: 'works' } });
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a CPU module that hangs gives an error message in time', { skip }, async () => {
  env.mock.set({ modules: { cpu: 'hangs-later' } });
  const page = await env.open({ query: '?backend=cpu&tag-timeout=1' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /took too long/);
  await page.context().close();
});

test('a software adapter is never chosen', { skip }, async () => {
  env.mock.set({ modules: { webgpu: 'works', cpu: 'works' } });
  const page = await env.open();
  const software = await page.evaluate(async () => (await navigator.gpu?.requestAdapter())?.info.isFallbackAdapter ?? null);
  assert.notEqual(software, false, 'the test needs a machine without a hardware adapter');
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#reading-note'), /\(CPU\)/);
  await page.context().close();
});

test('damaged weights are neither used nor cached', { skip }, async () => {
  env.mock.set({ modules: {}, weights: 'damaged' });
  const page = await env.open();
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /incomplete or damaged/);
  assert.equal(await countCachedWeights(page), 0);
  env.mock.set({ modules: {} });
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await untilWeightsCached(page, 1);
  await page.context().close();
});

test('weights that are damaged in the cache are fetched again', { skip }, async () => {
  env.mock.set({ modules: {} });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await untilWeightsCached(page, 1);
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
  env.mock.set({ modules: {} });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await untilWeightsCached(page, 1);
  const urls = [];
  page.on('request', (request) => request.url().includes('/weights/') && urls.push(request.url()));
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, PNG);
  assert.deepEqual(urls, []);
  await page.context().close();
});

test('a slow download shows its progress and does not disable the GPU', { skip }, async () => {
  env.mock.set({ modules: { webgpu: 'works' }, weights: 'slow' });
  const page = await env.open({ query: '?backend=webgpu&load-timeout=1' });
  await page.setInputFiles('#file', PNG);
  await page.waitForSelector('#tags progress');
  await page.waitForSelector('.verdict');
  assert.match(await page.textContent('#reading-note'), /WebGPU/);
  await page.context().close();
});

test('a missing tagger is explained, and the search still works', { skip }, async () => {
  env.mock.set({ modules: {}, tagger: 503 });
  const page = await env.open();
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /did not send the required data/);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('a device that cannot embed sends the photo only on request', { skip }, async () => {
  env.mock.set({ modules: { cpu: 'cannot-embed' }, encoder: true });
  const page = await env.open({ query: '?backend=cpu' });
  await tagPhoto(page, PNG);
  env.mock.requests.length = 0;
  await page.click('#find-button');
  await page.waitForSelector('#send-photo');
  assert.doesNotMatch(await page.textContent('#results-body'), /original file/);
  assert.match(await page.textContent('#results-body'), /could not prepare your photo for the search/);
  assert.equal(env.mock.requests.filter(({ bytes }) => bytes > 0).length, 0);
  await page.click('#send-photo');
  await page.waitForSelector('.card-link');
  assert.match(await page.textContent('#results-note'), /was sent to the shop/);
  assert.equal(env.mock.requests.findLast(({ fields }) => fields).fields.type, 'image/jpeg');
  await page.context().close();
});

test('the weights of both models are cached, and the embedding is of the crop', { skip }, async () => {
  env.mock.set({ modules: {}, encoder: true });
  const page = await env.open({ language: 'zh-CN' });
  await tagPhoto(page, PNG);
  await page.focus('.crop-corner.se');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.match(await page.textContent('#find-hint'), /照片留在本机/);
  assert.match(await page.textContent('#foot'), /照片留在本机/);
  const { query } = env.mock.requests.findLast(({ query }) => query);
  assert.deepEqual(query, { embedding: { model_id: 'mock@0', int8: 'X4E=' }, category: null, limit: 10 });
  await untilWeightsCached(page, 2);
  await page.context().close();
});

const countCachedWeights = (page) => page.evaluate(async () => (await (await caches.open('selvedge-weights')).keys()).length);

/** Waits until `count` weights are cached. The page caches them in the background. */
const untilWeightsCached = (page, count) => waitUntil(async () => (await countCachedWeights(page)) === count);
