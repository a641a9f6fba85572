// Faults of the device, the server and the storage at the worst moment. The photo is never lost.
//
// Other files have the tests of related faults: fallback.test.mjs of GPUs that fail and of canvases that change pixels, offline.test.mjs
// of full storage, damaged files and a deploy under an open tab, share.test.mjs of a shared photo without a service worker,
// staleness.test.mjs of ten photos pasted at once.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, waitUntil } from './lib/setup.mjs';
import { buildSite, prepend } from './lib/site.mjs';
import { fakeModule } from './mock/server.mjs';

const env = setUp({ gpu: true, fakeSite: true });

/** Serves a changed release until the test ends. */
function serve(t, change) {
  const site = buildSite(change);
  t.after(() => {
    env.mock.set({});
    site.remove();
  });
  env.mock.set({ site: site.path });
}

for (const [what, gpu] of [
  ['no WebGPU', 'undefined'],
  ['no adapter', '{ requestAdapter: async () => null }'],
  ['an adapter request that fails', "{ requestAdapter: () => Promise.reject(new Error('no adapter')) }"],
]) {
  test(`with ${what} the CPU tags the photo, and the WebGPU module is not fetched`, async (t) => {
    serve(t, (folder) => prepend(join(folder, 'app/worker.js'), `Object.defineProperty(navigator, 'gpu', { value: ${gpu} });`));
    const page = await env.open();
    env.mock.requests.length = 0;
    await tagPhoto(page, PNG);
    assert.match(await page.textContent('#reading-note'), /\(CPU\)\.$/);
    assert.deepEqual(env.mock.requests.filter(({ path }) => path.includes('selvedge-webgpu')), []);
    assert.equal(await page.locator('.notice:visible').count(), 0);
    await page.context().close();
  });
}

test('if the device is lost while it computes, the CPU tags the photo at once', async (t) => {
  const loses = fakeModule('works')
    .replace('return Object.assign', "globalThis.device = await (await navigator.gpu.requestAdapter()).requestDevice();\n      return Object.assign")
    .replace('async tag({ size, first }) {', "async tag({ size, first }) { if (size !== '8x8') { await fetch('/mock/computing'); await never; }");
  serve(t, (folder) => writeFileSync(join(folder, 'wasm/selvedge-webgpu.js'), loses));
  // No time limit ends within the test.
  const page = await env.open({ query: '?backend=webgpu&load-timeout=500&tag-timeout=500' });
  env.mock.requests.length = 0;
  await page.setInputFiles('#file', PNG);
  await waitUntil(() => env.mock.requests.some(({ path }) => path === '/mock/computing'));
  const cdp = await env.browser.newBrowserCDPSession();
  await cdp.send('Browser.crashGpuProcess').catch(() => {}); // Chromium starts a new one
  await page.waitForSelector('.verdict', { timeout: 20_000 });
  assert.match(await page.textContent('#reading-note'), /\(CPU\)\. The graphics processor could not be used/);
  await page.context().close();
});

test('a worker that is killed while it computes is replaced, and the photo is still there', async (t) => {
  const dies = fakeModule('works').replace('async tag({ size, first }) {', "async tag({ size, first }) { if (size !== '8x8') { close(); await never; }");
  serve(t, (folder) => writeFileSync(join(folder, 'wasm/selvedge-cpu.js'), dies));
  const page = await env.open({ query: '?backend=cpu&tag-timeout=2' });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags'), /took too long/);
  await page.route('**/selvedge-cpu.js', (route) => route.fulfill({ contentType: 'text/javascript', body: fakeModule('works') }));
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  assert.equal(await page.locator('#frame canvas').count(), 1);
  await page.context().close();
});

test('weights that are cut off are neither used nor cached', async () => {
  env.mock.set({});
  const page = await env.open();
  const cut = async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    await route.fulfill({ status: 200, contentType: 'application/octet-stream', body: body.subarray(0, body.length >> 1) });
  };
  await page.route('**/weights/*', cut);
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /incomplete or damaged/);
  assert.equal(await page.evaluate(async () => (await (await caches.open('selvedge-weights')).keys()).length), 0);
  await page.unroute('**/weights/*');
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a server that is gone before the photo is explained, and a retry works when it is back', async () => {
  env.mock.set({});
  const page = await env.open();
  await page.waitForSelector('.sample');
  env.mock.set({ offline: true });
  await tagPhoto(page, PNG);
  assert.match(await page.textContent('#tags .notice'), /the shop is not responding/);
  env.mock.set({});
  await page.click('#tags button');
  await page.waitForSelector('.verdict');
  env.mock.set({ offline: true });
  await page.click('#find-button');
  await page.waitForSelector('#results-body .notice');
  env.mock.set({});
  await page.click('#results-body .notice button');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('a photo is tagged if the browser has deleted all storage since the models were loaded', async () => {
  env.mock.set({});
  const page = await env.open({ serviceWorker: true });
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
  await page.hover('#drop'); // a sign that loads the models
  const hasWeights = () => page.evaluate(async () => (await (await caches.open('selvedge-weights')).keys()).length > 0);
  await waitUntil(hasWeights);
  const evict = () => page.evaluate(async () => {
    for (const name of await caches.keys()) await caches.delete(name);
    for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name);
    localStorage.clear();
  });
  await evict();
  await tagPhoto(page, PNG);
  await page.waitForSelector('.verdict');
  await evict();
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, PNG);
  await page.waitForSelector('.verdict');
  await waitUntil(hasWeights);
  await page.context().close();
});
