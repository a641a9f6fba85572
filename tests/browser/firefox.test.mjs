// Firefox, driven through WebDriver BiDi: page and package on the CPU. Skipped if there is no Firefox.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { findFirefox, launchFirefox, open, shownTags, tagPhoto } from './lib/browser.mjs';
import { install, makeFolder, pack, startHost, writeFiles } from './lib/host.mjs';
import { INDEX, missing, PROGRAM, QUERY, RETRIEVAL, SITE, startService, TAGGER } from './lib/places.mjs';
import { waitUntil } from './lib/setup.mjs';
import { photo } from './mock/shop.mjs';

/** Largest difference of a probability between Firefox and the native program. */
const TOLERANCE = 1e-3;

const file = (buffer) => ({ name: 'photo.png', mimeType: 'image/png', buffer });
/** Oldest version that has all commands of the driver. */
const OLDEST = 153;

/** Returns the reason to skip all tests, or false. */
function reasonToSkip() {
  const firefox = findFirefox();
  if (!firefox) return 'no Firefox: install firefox-esr, or set FIREFOX to its path';
  const [version] = /\d+/.exec(execFileSync(firefox, ['--version'], { encoding: 'utf8' })) ?? [0];
  return version < OLDEST ? `Firefox ${version} is older than ${OLDEST}, and the driver needs newer commands` : missing(SITE, PROGRAM, TAGGER, RETRIEVAL, QUERY, INDEX);
}
const skip = reasonToSkip();
let browser, service, folder;

before(async () => {
  if (skip) return;
  folder = makeFolder();
  browser = await launchFirefox();
  service = await startService();
});
after(async () => {
  await browser?.close();
  await service?.close();
  folder?.remove();
});

/** First sample photo of the service. The demo shop has its product, so a search finds something close. */
async function samplePhoto() {
  const { samples } = await (await fetch(`${service.url}api/v1/samples`)).json();
  return Buffer.from(await (await fetch(new URL(samples[0].image, service.url))).arrayBuffer());
}

/** Tags of the native program for a photo, as a map from group and label to probability. */
async function nativeTagsOf(content) {
  const path = join(folder.path, 'photo');
  writeFileSync(path, content);
  const { stdout } = await promisify(execFile)(PROGRAM, ['tag', '--json', '--device', 'cpu', '--bundle', TAGGER, path]);
  return new Map(JSON.parse(stdout).map(({ group, id, prob }) => [`${group}/${id}`, prob]));
}

/** Returns the largest difference of a probability. Both sides must have the same labels. */
function compare(tags, native) {
  assert.equal(tags.length, native.size);
  return Math.max(...tags.map(({ group, id, prob }) => Math.abs(prob - native.get(`${group}/${id}`))));
}

test('a photo has the tags of the native program, and a search shows products', { skip }, async (t) => {
  const page = await open(browser, service.url);
  const content = await samplePhoto();
  await tagPhoto(page, file(content), 60_000);
  assert.match(await page.textContent('#reading-note'), /\(CPU\)/);
  const difference = compare(await shownTags(page), await nativeTagsOf(content));
  t.diagnostic(`Firefox ${browser.version()}: largest difference ${difference.toExponential(1)}, ${await page.textContent('#reading-note')}`);
  assert.ok(difference <= TOLERANCE, `${difference}`);

  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.match(await page.textContent('#results-note'), /stayed on this device/);
  assert.equal(await page.locator('.card[data-product]').count(), 10);
  await page.locator('.card-link').first().click();
  await page.waitForSelector('#product dl');
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('after one visit a photo is tagged without the server', { skip }, async () => {
  const own = await startService();
  const page = await open(browser, own.url, { serviceWorker: true });
  await page.evaluate(() => navigator.serviceWorker.ready);
  await tagPhoto(page, file(photo()), 60_000);
  await page.waitForSelector('.verdict');
  const isKept = () => page.evaluate(async () => {
    const urls = [];
    for (const name of await caches.keys()) for (const { url } of await (await caches.open(name)).keys()) urls.push(url);
    return ['_bg.wasm', '/app/worker.js', '/weights/'].every((part) => urls.some((url) => url.includes(part)));
  });
  await waitUntil(isKept);
  await own.close();
  await page.reload();
  await page.waitForSelector('html.ready');
  await tagPhoto(page, file(photo()), 60_000);
  await page.waitForSelector('.verdict');
  await page.context().close();
});

test('a Firefox that falsifies the pixels of canvases gives no tags, and the page offers to send the photo', { skip }, async (t) => {
  const resistant = await launchFirefox({ 'privacy.resistFingerprinting': true });
  t.after(() => resistant.close());
  const page = await open(resistant, service.url);
  await tagPhoto(page, file(await samplePhoto()), 60_000);
  assert.match(await page.textContent('#tags .notice'), /does not let the page read your photo/);
  await page.click('#find-button');
  await page.waitForSelector('#send-photo');
  assert.match(await page.textContent('#results-body'), /original file/);
  await page.click('#send-photo');
  await page.waitForSelector('.card');
  assert.match(await page.textContent('#results-note'), /was sent/);
});

test('StyleTagger of the package computes in its module worker, and the element is a form field', { skip }, async (t) => {
  install(folder.path, pack(folder.path));
  writeFiles(folder.path, {
    'index.html': `<!doctype html><html lang="en"><meta charset="utf-8"><title>A site</title>
      <script type="module" src="node_modules/@selvedge/tagger/element.js"></script>
      <form><style-tagger name="style" manifest-url="/models/tagger/bundle.json"></style-tagger></form></html>`,
    'photo.png': photo(),
    'own.js': `import { StyleTagger } from './node_modules/@selvedge/tagger/index.js';
      const tagger = new StyleTagger({ manifestUrl: '/models/tagger/bundle.json' });
      const file = await (await fetch('photo.png')).blob();
      postMessage((await tagger.tag(file)).tags.map(({ group, id, prob }) => ({ group, id, prob })));`,
  });
  const host = await startHost(folder.path);
  t.after(() => host.close());
  const page = await (await browser.newContext()).newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(host.url);
  const answer = await page.evaluate(async () => {
    const { StyleTagger } = await import('/node_modules/@selvedge/tagger/index.js');
    const tagger = new StyleTagger({ manifestUrl: '/models/tagger/bundle.json' });
    const file = await (await fetch('/photo.png')).blob();
    const { tags, backend } = await tagger.tag(file);
    const controller = new AbortController();
    const aborted = tagger.tag(file, { signal: controller.signal }).catch(({ name }) => name);
    controller.abort();
    return { backend, aborted: await aborted, tags: tags.map(({ group, id, prob }) => ({ group, id, prob })) };
  });
  assert.equal(answer.backend, 'cpu');
  assert.equal(answer.aborted, 'AbortError');
  const difference = compare(answer.tags, await nativeTagsOf(photo()));
  assert.ok(difference <= TOLERANCE, `${difference}`);
  assert.ok(host.requests.some(({ path }) => path.endsWith('/worker.js')));
  const inWorker = await page.evaluate(() => new Promise((done, fail) => {
    const worker = new Worker('own.js', { type: 'module' });
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = ({ message }) => fail(new Error(message));
  }));
  assert.deepEqual(inWorker, answer.tags, 'a worker of the site gives the same');

  await page.setInputFiles('style-tagger input', file(photo()));
  await page.waitForFunction(() => document.querySelector('style-tagger').result, null, { timeout: 60_000 });
  const [value, sent] = await page.evaluate(() => [document.querySelector('style-tagger').value, new FormData(document.forms[0]).getAll('style')]);
  assert.ok(value.length > 0);
  assert.deepEqual(sent, value);
  assert.deepEqual(problems, []);
  await page.context().close();
});
