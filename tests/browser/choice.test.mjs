// Measured choice between WebGPU and the CPU. It is made after the first answer, and holds from the next visit on.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, pngFile, setUp, waitUntil } from './lib/setup.mjs';
import { buildSite, prepend } from './lib/site.mjs';

const env = setUp({ fakeSite: true });

/** Opens the page in a browser with a GPU adapter, with stored choices. `close` closes it. */
async function openWith({ modules, stored = null, info = { vendor: 'acme', architecture: 'one', device: '7', description: 'Acme One' }, script = '', ...faults }) {
  const adapter = `Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: async () => ({ info: ${JSON.stringify({ isFallbackAdapter: false, ...info })} }) } });`;
  const site = buildSite((folder) => prepend(join(folder, 'app/worker.js'), adapter));
  env.mock.set({ modules, site: site.path, ...faults });
  const page = await env.open({ script: `${script}; if (${stored !== null}) localStorage.setItem('selvedge.backend', ${JSON.stringify(JSON.stringify(stored))});` });
  page.site = site;
  return page;
}

async function close(page) {
  await page.context().close();
  page.site.remove();
}

const choices = (page) => page.evaluate(() => Object.entries(JSON.parse(localStorage.getItem('selvedge.backend') ?? '{}')));
const note = (page) => page.textContent('#reading-note');

for (const [slow, faster, shown] of [['webgpu-slow', 'cpu', /\(CPU\)\.$/], ['cpu-slow', 'webgpu', /\(WebGPU\)/]]) {
  test(`the next visit uses the ${faster} module if the device is ${slow}`, async () => {
    const page = await openWith({ modules: { webgpu: slow, cpu: slow } });
    await tagPhoto(page, PNG);
    assert.match(await note(page), /\(WebGPU\)/);
    await waitUntil(async () => (await choices(page)).length > 0);
    const [[key, backend]] = await choices(page);
    assert.equal(backend, faster);
    const [adapter, browser, module] = JSON.parse(key);
    assert.deepEqual(adapter, ['acme', 'one', '7', 'Acme One']);
    assert.match(browser, /Chrome/);
    assert.match(module, /wasm\/[0-9a-f]{12}\/selvedge-webgpu_bg\.wasm$/);
    env.mock.requests.length = 0;
    await page.reload();
    await page.waitForSelector('html.ready');
    await tagPhoto(page, PNG);
    assert.match((await note(page)).trim(), shown);
    assert.equal(env.mock.requests.some(({ path }) => path.includes('selvedge-webgpu')), faster === 'webgpu');
    assert.deepEqual(page.problems, []);
    await close(page);
  });
}

test('a choice for another adapter does not count, and the backends are compared again', async () => {
  const page = await openWith({ modules: { webgpu: 'cpu-slow' }, stored: { '[["acme","two"]]': 'cpu' } });
  await tagPhoto(page, PNG);
  assert.match(await note(page), /\(WebGPU\)/);
  await waitUntil(async () => (await choices(page))[0][1] === 'webgpu');
  await close(page);
});

test('a call ends the comparison, which is repeated after it', async () => {
  const page = await openWith({ modules: { webgpu: 'reports' }, compute: 100 });
  const calls = () => env.mock.requests.map(({ path }) => path).filter((path) => path.startsWith('/mock/tag'));
  await tagPhoto(page, PNG);
  const before = calls().length;
  await waitUntil(() => calls().length > before + 1);
  await page.click('#another');
  await tagPhoto(page, pngFile(100, 120));
  const after = calls().slice(calls().lastIndexOf('/mock/tag?100x120') + 1);
  assert.deepEqual(after, [], 'no test run after the photo');
  assert.deepEqual(await choices(page), []);
  await waitUntil(async () => (await choices(page)).length === 1);
  await close(page);
});

test('without a hardware adapter nothing is compared', async () => {
  const page = await openWith({ modules: { webgpu: 'cpu-slow' }, info: { isFallbackAdapter: true } });
  await tagPhoto(page, PNG);
  assert.match(await note(page), /\(CPU\)/);
  await page.waitForTimeout(4_000);
  assert.deepEqual(await choices(page), []);
  await close(page);
});

test('on a metered connection nothing is compared', async () => {
  const page = await openWith({ modules: { webgpu: 'cpu-slow' }, script: "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })" });
  await tagPhoto(page, PNG);
  assert.match(await note(page), /\(WebGPU\)/);
  await page.waitForTimeout(4_000);
  assert.deepEqual(await choices(page), []);
  await close(page);
});

test('the choice is forgotten when WebGPU fails', async () => {
  const page = await openWith({ modules: { webgpu: 'cpu-slow' } });
  await tagPhoto(page, PNG);
  await waitUntil(async () => (await choices(page)).length === 1);
  env.mock.set({ modules: { webgpu: 'throws' }, site: page.site.path });
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, PNG);
  assert.match(await note(page), /\(CPU\)/);
  assert.deepEqual(await choices(page), []);
  await close(page);
});

test('a browser without storage tags the photo', async () => {
  const page = await openWith({ modules: { webgpu: 'reports' }, script: "Object.defineProperty(globalThis, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } })" });
  await tagPhoto(page, PNG);
  assert.match(await note(page), /\(WebGPU\)/);
  const runs = () => env.mock.requests.filter(({ path }) => path === '/mock/tag?8x8').length;
  const before = runs();
  await waitUntil(() => runs() >= before + 10);
  await page.waitForTimeout(500);
  assert.deepEqual(page.problems, []);
  await close(page);
});
