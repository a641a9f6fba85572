// Photo files of many forms (tests/golden/photos): tags and embeddings of the browser equal those of the native program for the
// same file. Only the decoders differ.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './lib/browser.mjs';
import { install, makeFolder, pack, SEGMENTER, startHost, writeFiles } from './lib/host.mjs';
import { missing, nativeEmbedding, nativeTags, PROGRAM, QUERY, ROOT, SITE, TAGGER } from './lib/places.mjs';

/** Largest difference of a probability, and smallest cosine of two embeddings. */
const LIMITS = { probability: 0.01, cosine: 0.999 };

/** Larger differences. Chromium converts colours of primaries that a PNG states in numbers (cHRM) in another way. */
const WIDER = { 'png-primaries.png': 0.02 };

const PHOTOS = join(ROOT, 'tests/golden/photos');
const NAMES = readdirSync(PHOTOS).filter((name) => !name.endsWith('.py')).sort();
const skip = missing(SITE, TAGGER, QUERY, SEGMENTER, PROGRAM);
let folder;
let host;
let browser;
let page;

before(async () => {
  if (skip) return;
  folder = makeFolder();
  install(folder.path, pack(folder.path));
  const script = `
    import { StyleTagger } from '/node_modules/@selvedge/tagger/index.js';
    const tagger = new StyleTagger({ manifestUrl: '/models/tagger/bundle.json', encoder: { manifestUrl: '/models/query/bundle.json' }, backend: 'cpu' });
    window.answer = async (name) => {
      const file = await (await fetch('/photos/' + name)).blob();
      const [{ tags }, { values }] = [await tagger.tag(file), await tagger.embed(file)];
      return { tags, values: Array.from(values) };
    };`;
  writeFiles(folder.path, {
    'index.html': `<!doctype html><meta charset="utf-8"><title>Forms</title><script type="module">${script}</script>`,
    ...Object.fromEntries(NAMES.map((name) => [`photos/${name}`, readFileSync(join(PHOTOS, name))])),
  });
  host = await startHost(folder.path);
  browser = await launch();
  page = await browser.newPage();
  await page.goto(host.url);
  await page.waitForFunction(() => window.answer);
});
after(async () => {
  await browser?.close();
  await host?.close();
  folder?.remove();
});

for (const name of NAMES) {
  test(`${name} gives the native tags and embedding`, { skip }, async (t) => {
    const file = readFileSync(join(PHOTOS, name));
    const { tags, values } = await page.evaluate((photo) => window.answer(photo), name);
    const native = new Map((await nativeTags(file)).map((tag) => [`${tag.group}/${tag.id}`, tag]));
    assert.equal(tags.length, native.size);
    const pairs = tags.map((tag) => [tag, native.get(`${tag.group}/${tag.id}`)]);
    const difference = Math.max(...pairs.map(([ours, theirs]) => Math.abs(ours.prob - theirs.prob)));
    const embedding = (await nativeEmbedding(file)).values;
    const cosine = values.reduce((sum, value, at) => sum + value * embedding[at], 0) / (Math.hypot(...values) * Math.hypot(...embedding));
    t.diagnostic(`largest difference ${difference.toExponential(1)}, cosine ${cosine.toFixed(6)}`);
    assert.ok(difference <= (WIDER[name] ?? LIMITS.probability), `${difference}`);
    assert.ok(cosine >= LIMITS.cosine, `${cosine}`);
    for (const [ours, theirs] of pairs) assert.deepEqual([ours.on, ours.stated], [theirs.on, theirs.stated], ours.id);
  });
}

test('the photos differ, so equal answers say something', { skip }, async () => {
  const [colour, grey] = await Promise.all(['base.png', 'jpeg-grey.jpg'].map((name) => nativeTags(readFileSync(join(PHOTOS, name)))));
  const probability = (tags, id) => tags.find((tag) => tag.id === id).prob;
  assert.ok(Math.abs(probability(colour, 'hat') - probability(grey, 'hat')) > 10 * LIMITS.probability);
  assert.ok(NAMES.length >= 24, `${NAMES.length} files`);
});
