// The browser's tags and embeddings are the native program's, on both backends, and neither tagging nor searching sends
// anything of the photo.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, open, shownTags, tagPhoto } from './lib/browser.mjs';
import { missing, nativeEmbedding, nativeTags, PROGRAM, QUERY, SITE, TAGGER } from './lib/places.mjs';
import { startMock } from './mock/server.mjs';
import { photo } from './mock/shop.mjs';

const skip = missing(SITE, PROGRAM, TAGGER, QUERY);
/** Largest difference of a probability, or of a value of a unit-length embedding, between browser and native program. */
const TOLERANCE = 1e-3;
let browser, mock, folder;

before(async () => {
  if (skip) return;
  browser = await launch({ gpu: true });
  mock = await startMock({ site: SITE, bundle: TAGGER, query: QUERY });
  folder = mkdtempSync(join(tmpdir(), 'selvedge-'));
});
after(async () => {
  await browser?.close();
  await mock?.close();
  if (folder) rmSync(folder, { recursive: true });
});

for (const [backend, note] of [['cpu', /\(CPU\)/], ['webgpu', /\(WebGPU\)/]]) {
  test(`tags on ${backend} equal the native ones`, { skip }, async (t) => {
    // Software WebGPU is many times slower than any GPU: it gets the time it needs.
    const page = await open(browser, mock.url, { query: `?backend=${backend}&load-timeout=500&tag-timeout=500` });
    // Upright, wide, and one larger than what the page keeps.
    const answers = [];
    for (const [width, height, colour] of [[240, 320, [228, 222, 210]], [301, 200, [176, 30, 40]], [1400, 1100, [30, 34, 60]]]) {
      await tagPhoto(page, { name: 'photo.png', mimeType: 'image/png', buffer: photo(width, height, colour) }, 500_000);
      await page.waitForSelector('.verdict');
      assert.match(await page.textContent('#reading-note'), note);
      const { difference, native } = await compare(page);
      answers.push(native);
      t.diagnostic(`${width}×${height}: largest difference ${difference.toExponential(1)}, ${await page.textContent('#reading-note')}`);
      assert.ok(difference <= TOLERANCE, `${difference}`);
      await page.click('#another');
    }
    // A bundle that says the same of everything would agree with anything.
    const spread = Math.max(...[...answers[0].keys()].map((id) => Math.max(...answers.map((answer) => Math.abs(answer.get(id) - answers[0].get(id))))));
    assert.ok(spread > 10 * TOLERANCE, `the photos differ by no more than ${spread}: the bundle does not look at them`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

for (const backend of ['cpu', 'webgpu']) {
  test(`an embedding on ${backend} equals the native one, and the search sends nothing else of the photo`, { skip }, async (t) => {
    const page = await open(browser, mock.url, { query: `?backend=${backend}&load-timeout=500&tag-timeout=500` });
    const answers = [];
    for (const colour of [[228, 222, 210], [30, 34, 60]]) {
      await tagPhoto(page, { name: 'photo.png', mimeType: 'image/png', buffer: photo(301, 200, colour) }, 500_000);
      mock.requests.length = 0;
      await page.click('#find-button');
      await page.waitForSelector('.card-link', { timeout: 500_000 });
      assert.match(await page.textContent('#find-hint'), /stays on this device/);
      assert.match(await page.textContent('#results-note'), /stayed on this device/);
      const sent = mock.requests.filter(({ bytes }) => bytes > 0);
      assert.equal(sent.length, 1, 'the search alone');
      const [{ query, bytes }] = sent;
      assert.deepEqual(Object.keys(query).sort(), ['category', 'embedding', 'limit']);
      const { values, ...rest } = query.embedding;
      const native = await onSamePixels(page, nativeEmbedding);
      assert.deepEqual(rest, { model_id: native.model_id });
      assert.equal(values.length, native.values.length);
      assert.ok(bytes < 20 * values.length, `${bytes} bytes for ${values.length} numbers`);
      const difference = Math.max(...values.map((value, at) => Math.abs(value - native.values[at])));
      t.diagnostic(`largest difference ${difference.toExponential(1)}, ${bytes} bytes sent`);
      assert.ok(difference <= TOLERANCE, `${difference}`);
      answers.push(values);
      await page.click('#another');
    }
    const spread = Math.max(...answers[0].map((value, at) => Math.abs(value - answers[1][at])));
    assert.ok(spread > 10 * TOLERANCE, `the photos differ by no more than ${spread}: the bundle does not look at them`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test('tagging sends nothing of the photo', { skip }, async () => {
  mock.set({ encoder: false });
  const page = await open(browser, mock.url, { query: '?backend=cpu' });
  const opened = [];
  page.on('request', (request) => opened.push(request));
  page.on('websocket', (socket) => assert.fail(`a socket to ${socket.url()}`));
  mock.requests.length = 0;
  await tagPhoto(page, { name: 'photo.png', mimeType: 'image/png', buffer: photo() });
  await page.waitForSelector('.verdict');
  await page.waitForTimeout(500);
  // What the browser says it sent, workers included, and what the server saw of it.
  for (const request of opened) {
    assert.ok(['GET', 'HEAD'].includes(request.method()), `${request.method()} ${request.url()}`);
    assert.ok(request.url().length < 300, 'a photo may hide in an address');
    assert.ok(request.url().startsWith(mock.url), request.url());
  }
  for (const { method, path, bytes } of mock.requests) assert.equal(bytes, 0, `${method} ${path}`);
  // Without a query encoder the search sends it: the same bookkeeping sees that, and the page says so.
  assert.match(await page.textContent('#find-hint'), /may then send the photo/);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.ok(mock.requests.some(({ method, bytes, fields }) => method === 'POST' && bytes > 1000 && fields.type === 'image/jpeg'));
  assert.match(await page.textContent('#results-note'), /was sent/);
  mock.set({});
  await page.context().close();
});

async function compare(page) {
  const native = new Map((await onSamePixels(page, nativeTags)).map((tag) => [tag.id, tag.prob]));
  const shown = await shownTags(page);
  assert.equal(shown.length, native.size);
  return { native, difference: Math.max(...shown.map((tag) => Math.abs(tag.prob - native.get(tag.id)))) };
}

/** Gives the native program the very pixels that the page gave its models. */
async function onSamePixels(page, program) {
  const { width, height, base64 } = await page.$eval('#frame canvas', (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let text = '';
    for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
    return { width: canvas.width, height: canvas.height, base64: btoa(text) };
  });
  const raw = join(folder, 'pixels.rgba');
  writeFileSync(raw, Buffer.from(base64, 'base64'));
  return program(raw, width, height);
}
