// Panel for web developers: the element of the package at work on the page, and the lines that put it on another site.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { install, makeFolder, pack, startHost } from './lib/host.mjs';
import { SITE, TAGGER } from './lib/places.mjs';
import { paste, PNG, pngFile, setUp, waitUntil } from './lib/setup.mjs';

const env = setUp({ fakeSite: true, needs: [SITE, TAGGER] });
const { skip } = env;

async function openPanel(page) {
  await page.click('#open-embed');
  await page.waitForSelector('#panel style-tagger');
}
const shownLabels = (page) => page.$$eval('style-tagger [part=tag]', (tags) => tags.map((tag) => tag.textContent));

test('the element loads with its panel, and tags the page’s photo with the models that are there', { skip }, async () => {
  env.mock.set({});
  const page = await env.open();
  await tagPhoto(page, PNG);
  env.mock.requests.length = 0;
  await openPanel(page);
  await page.waitForSelector('style-tagger [part=tag]');
  const paths = env.mock.requests.map(({ path }) => path).filter((path) => !path.startsWith('/api/v1/samples'));
  assert.equal(paths.length, 1, String(paths));
  assert.match(paths[0], /\/app\/embed-panel-\w+\.js$/);
  assert.equal(page.workers().length, 1);
  assert.deepEqual(await shownLabels(page), ['Natural', 'Casual', 'Minimalist']);
  assert.equal(await page.textContent('#embed-value'), 'style=natural&style=casual&style=minimalist');
  assert.match(await page.textContent('#embed-events'), /tag, input, change$/);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('the element says which labels were learnt from drawings, and shows no picture of an input that is not a file', { skip }, async () => {
  env.mock.set({ modules: { cpu: 'groups' }, groups: true });
  const page = await env.open();
  await openPanel(page);
  const note = page.locator('style-tagger [part=note]');
  assert.equal(await note.isVisible(), false);
  await page.setInputFiles('style-tagger input', PNG);
  await note.waitFor();
  assert.match(await note.textContent(), /learnt from drawings/);
  assert.equal(await page.locator('style-tagger canvas').count(), 1);
  await page.evaluate(() => document.querySelector('style-tagger').tag(new ImageData(20, 20)));
  assert.equal(await page.locator('style-tagger canvas').count(), 0);
  await page.context().close();
});

test('a photo chosen or pasted in the element leaves the page’s photo alone', { skip }, async () => {
  env.mock.set({});
  const page = await env.open({ language: 'zh-CN' });
  await openPanel(page);
  assert.equal(await page.innerText('style-tagger [part=button]'), '选择照片');
  await page.setInputFiles('style-tagger input', PNG);
  await page.waitForSelector('style-tagger [part=tag]');
  const size = () => page.$eval('style-tagger canvas', ({ width, height }) => `${width}×${height}`);
  assert.equal(await size(), '240×320');
  const buffer = [...pngFile(100, 50).buffer];
  await page.evaluate((bytes) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(bytes)], 'photo.png', { type: 'image/png' }));
    document.querySelector('style-tagger').dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }));
  }, buffer);
  await waitUntil(async () => (await size().catch(() => '')) === '100×50');
  assert.equal(await page.locator('#frame canvas').count(), 0);
  await page.keyboard.press('Escape');
  await paste(page, PNG);
  await page.waitForSelector('.verdict');
  assert.equal(await page.locator('#frame canvas').count(), 1);
  await page.context().close();
});

test('the panel works offline after one visit with a photo', { skip }, async () => {
  env.mock.set({});
  const page = await env.open({ serviceWorker: true });
  await page.evaluate(() => navigator.serviceWorker.ready);
  await tagPhoto(page, PNG);
  await waitUntil(() => page.evaluate(async () => {
    const urls = [];
    for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) urls.push(url);
    return ['/app/embed-panel-', '_bg.wasm', '/weights/'].every((part) => urls.some((url) => url.includes(part)));
  }));
  env.mock.set({ offline: true });
  await page.reload();
  await page.waitForSelector('html.ready');
  await openPanel(page);
  await page.setInputFiles('style-tagger input', PNG);
  await page.waitForSelector('style-tagger [part=tag]');
  await page.context().close();
});

test('the lines that the panel shows work on a site with the package', { skip }, async (t) => {
  env.mock.set({});
  const page = await env.open();
  await openPanel(page);
  const code = await page.textContent('#panel pre');
  assert.equal(code.split('\n').length, 10);
  await page.context().close();
  const folder = makeFolder();
  t.after(folder.remove);
  install(folder.path, pack(folder.path));
  writeFileSync(join(folder.path, 'index.html'), `<!doctype html><meta charset="utf-8"><title>A site</title>${code}`);
  const host = await startHost(folder.path);
  t.after(() => host.close());
  const site = await (await env.browser.newContext()).newPage();
  await site.goto(host.url);
  await site.setInputFiles('style-tagger input', PNG);
  await site.waitForFunction(() => document.querySelector('output').value !== '', null, { timeout: 30_000 });
  const [value, shown] = await site.evaluate(() => [document.querySelector('style-tagger').value.join(', '), document.querySelector('output').value]);
  assert.equal(shown, value);
  await site.context().close();
});
