// Photos of full size: the page gives the models the pixels of the file, and decodes it once.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { shownTags, tagPhoto } from './lib/browser.mjs';
import { nativeTags, PROGRAM, SITE, TAGGER } from './lib/places.mjs';
import { markHalf, pngFile, setUp, waitUntil, works } from './lib/setup.mjs';
import { buildSite, prepend, wasmFolder } from './lib/site.mjs';

/** Largest difference between browser and native program, of a probability. */
const TOLERANCE = 1e-3;

/** Code for the page and the worker: reports decoded files and the boxes of calls to the mock. */
const REPORT = `
  const decode = globalThis.createImageBitmap;
  globalThis.createImageBitmap = (input, ...how) => (input instanceof Blob && fetch('/mock/decoded'), decode(input, ...how));
  if (!globalThis.document) addEventListener('message', ({ data }) => data.type === 'tag' && fetch('/mock/box?' + JSON.stringify(data.box)));`;

const LARGE = pngFile(3000, 2000, [176, 30, 40]);
const env = setUp({ needs: [SITE, PROGRAM, TAGGER], bundle: TAGGER });
const { skip } = env;
let site;

before(() => {
  if (skip) return;
  site = buildSite((folder) => prepend(join(folder, 'app/worker.js'), REPORT));
  cpSync(wasmFolder(SITE), wasmFolder(site.path), { recursive: true });
});
after(() => site?.remove());

const reported = (what) => env.mock.requests.map(({ path }) => path).filter((path) => path.startsWith(`/mock/${what}`));

/** Largest difference between the tags shown and the native ones. */
async function difference(page, box) {
  const native = new Map((await nativeTags(LARGE.buffer, box)).map(({ group, id, prob }) => [`${group}/${id}`, prob]));
  const shown = await shownTags(page);
  assert.equal(shown.length, native.size);
  return Math.max(...shown.map(({ group, id, prob }) => Math.abs(prob - native.get(`${group}/${id}`))));
}

test('tags of a large photo and of a box on it equal those of the native program for the file', { skip }, async (t) => {
  env.mock.set({ site: site.path });
  const page = await env.open({ query: '?backend=cpu' });
  await tagPhoto(page, LARGE);
  const whole = await difference(page, null);
  await markHalf(page);
  await waitUntil(async () => (await page.isVisible('#style-scope')) && !(await page.locator('#tags.stale').count()));
  const box = JSON.parse(decodeURIComponent(reported('box').at(-1)).split('?')[1]);
  assert.ok(box.x > 1400 && box.x + box.width === 3000 && box.height === 2000, 'in pixels of the file');
  const part = await difference(page, box);
  t.diagnostic(`largest difference ${whole.toExponential(1)}, and ${part.toExponential(1)} for a box`);
  assert.ok(Math.max(whole, part) <= TOLERANCE, `${whole} ${part}`);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a file is decoded once for its picture, its tags and its pieces', { skip }, async () => {
  env.mock.set({ ...works, site: site.path, segmenter: true });
  const page = await env.open({ script: REPORT });
  env.mock.requests.length = 0;
  await tagPhoto(page, LARGE);
  await page.waitForSelector('#piece-list button');
  assert.deepEqual(reported('decoded'), ['/mock/decoded']);
  await page.context().close();
});
