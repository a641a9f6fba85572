// Tags and embeddings of the browser equal those of the native program on both backends. Tagging and searching send no
// pixels of the photo.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shownTags, tagPhoto } from './lib/browser.mjs';
import { nativeEmbedding, nativeTags, PROGRAM, QUERY, SITE, TAGGER } from './lib/places.mjs';
import { PNG, pngFile, setUp } from './lib/setup.mjs';

/** Largest difference between browser and native program, of a probability or of a value of a unit-length embedding. */
const TOLERANCE = 1e-3;
const env = setUp({ gpu: true, needs: [SITE, PROGRAM, TAGGER, QUERY], bundle: TAGGER, query: QUERY });
const { skip } = env;

for (const [backend, note] of [['cpu', /\(CPU\)/], ['webgpu', /\(WebGPU\)/]]) {
  test(`tags on ${backend} equal the native ones`, { skip }, async (t) => {
    // Software WebGPU is many times slower than a GPU, so the timeouts are long.
    const page = await env.open({ query: `?backend=${backend}&load-timeout=500&tag-timeout=500` });
    // A portrait photo, a landscape photo, and one that is larger than its picture on the page.
    const answers = [];
    for (const [width, height, colour] of [[240, 320, [228, 222, 210]], [301, 200, [176, 30, 40]], [1400, 1100, [30, 34, 60]]]) {
      const file = pngFile(width, height, colour);
      await tagPhoto(page, file, 500_000);
      await page.waitForSelector('.verdict');
      assert.match(await page.textContent('#reading-note'), note);
      const native = tagsByKey(await nativeTags(file.buffer));
      const shown = tagsByKey(await shownTags(page));
      assert.equal(shown.size, native.size);
      const difference = Math.max(...[...shown].map(([key, prob]) => Math.abs(prob - native.get(key))));
      answers.push(native);
      t.diagnostic(`${width}×${height}: largest difference ${difference.toExponential(1)}, ${await page.textContent('#reading-note')}`);
      assert.ok(difference <= TOLERANCE, `${difference}`);
      await page.click('#another');
    }
    // A bundle with the same output for all photos would pass the comparison above.
    const spread = Math.max(...[...answers[0].keys()].map((id) => Math.max(...answers.map((answer) => Math.abs(answer.get(id) - answers[0].get(id))))));
    assert.ok(spread > 10 * TOLERANCE, `the outputs differ by at most ${spread}: the bundle does not depend on the photo`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

for (const backend of ['cpu', 'webgpu']) {
  test(`an embedding on ${backend} equals the native one, and the search sends nothing else of the photo`, { skip }, async (t) => {
    const page = await env.open({ query: `?backend=${backend}&load-timeout=500&tag-timeout=500` });
    const answers = [];
    for (const colour of [[228, 222, 210], [30, 34, 60]]) {
      const file = pngFile(301, 200, colour);
      await tagPhoto(page, file, 500_000);
      env.mock.requests.length = 0;
      await page.click('#find-button');
      await page.waitForSelector('.card-link', { timeout: 500_000 });
      assert.match(await page.textContent('#find-hint'), /stays on this device/);
      assert.match(await page.textContent('#results-note'), /stayed on this device/);
      const sent = env.mock.requests.filter(({ bytes }) => bytes > 0);
      // The requests for the counts of filters name a product that was found.
      for (const { counts } of sent.filter((request) => request.counts)) assert.deepEqual(Object.keys(counts).filter((key) => !['product', 'limit', 'facets', 'category', 'filter'].includes(key)), []);
      const searches = sent.filter((request) => !request.counts);
      assert.equal(searches.length, 1, 'only the search has numbers of the photo');
      const [{ query, bytes }] = searches;
      assert.deepEqual(Object.keys(query).sort(), ['category', 'embedding', 'limit']);
      const { values, ...rest } = query.embedding;
      const native = await nativeEmbedding(file.buffer);
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
    assert.ok(spread > 10 * TOLERANCE, `the outputs differ by at most ${spread}: the bundle does not depend on the photo`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test('tagging sends nothing of the photo', { skip }, async () => {
  env.mock.set({ encoder: false });
  const page = await env.open({ query: '?backend=cpu' });
  const requests = [];
  page.on('request', (request) => requests.push(request));
  page.on('websocket', (socket) => assert.fail(`a socket to ${socket.url()}`));
  env.mock.requests.length = 0;
  await tagPhoto(page, PNG);
  await page.waitForSelector('.verdict');
  await page.waitForTimeout(500);
  // Checks the requests that the browser reports, with those of workers, and those that the server received.
  for (const request of requests) {
    assert.ok(['GET', 'HEAD'].includes(request.method()), `${request.method()} ${request.url()}`);
    assert.ok(request.url().length < 300, 'a URL is too short to contain a photo');
    assert.ok(request.url().startsWith(env.mock.url), request.url());
  }
  for (const { method, path, bytes } of env.mock.requests) assert.equal(bytes, 0, `${method} ${path}`);
  // Without a query encoder the search sends the photo, and the page says so. This also checks the record of requests.
  assert.match(await page.textContent('#find-hint'), /may be sent to the shop/);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.ok(env.mock.requests.some(({ method, bytes, fields }) => method === 'POST' && bytes > 1000 && fields.type === 'image/jpeg'));
  assert.match(await page.textContent('#results-note'), /was sent/);
  env.mock.set({});
  await page.context().close();
});

/** Maps groups and label ids to probabilities. */
const tagsByKey = (tags) => new Map(tags.map(({ group, id, prob }) => [`${group}/${id}`, prob]));
