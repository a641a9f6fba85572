// Privacy panel: the bytes that it shows equal the bytes of the bodies that the shop received.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { markHalf, PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

/** Returns the bytes of the bodies that the mock received. */
const received = () => env.mock.requests.reduce((sum, { bytes }) => sum + bytes, 0);

/** Returns the entries of the open panel by kind. */
const shown = (page) => page.$$eval('#panel dd[data-kind]', (entries) => Object.fromEntries(entries.map((entry) => [entry.dataset.kind, entry.textContent])));

const inBytes = (bytes) => `${bytes.toLocaleString('en')} bytes`;

for (const [what, shop, kind, mark] of [
  ['searches by numbers', { encoder: true }, 'numbers', false],
  ['uploads of a photo', {}, 'photo', false],
  ['uploads of a marked area', {}, 'photo', true],
]) {
  test(`the panel counts the bytes of ${what} as the shop does`, { skip }, async () => {
    env.mock.set({ ...works, ...shop });
    env.mock.requests.length = 0;
    const page = await env.open();
    await tagPhoto(page, PNG);
    if (mark) await markHalf(page);
    assert.match(await page.textContent('#open-privacy'), /: 0 bytes/, 'tags send nothing');
    for (let searches = 1; searches <= 2; searches++) {
      await page.click('#find-button');
      await page.waitForFunction((n) => performance.getEntriesByName(new URL('api/v1/search', document.baseURI).href).length >= n, searches);
      await page.waitForSelector('.card-link');
    }
    const bytes = received();
    assert.ok(bytes > 0);
    assert.match(await page.textContent('#open-privacy'), new RegExp(`: ${inBytes(bytes)}`));
    await page.click('#open-privacy');
    await page.waitForSelector('#panel dd[data-kind=total]');
    // The requests for the counts of filters name a product, and have no content of the photo.
    const counts = env.mock.requests.filter((request) => request.counts);
    const ofCounts = counts.reduce((sum, request) => sum + request.bytes, 0);
    const none = { numbers: 'Nothing', photo: 'Nothing' };
    assert.ok(counts.length > 1);
    const other = `${counts.length} requests, ${inBytes(ofCounts)}`;
    assert.deepEqual(await shown(page), { ...none, [kind]: `2 requests, ${inBytes(bytes - ofCounts)}`, other, total: inBytes(bytes) });
    await page.context().close();
  });
}

test('the page and its workers have no other way to send content', () => {
  const folder = join(import.meta.dirname, '../../www/app');
  for (const name of readdirSync(folder)) assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), /XMLHttpRequest|sendBeacon|WebSocket|EventSource|WebTransport|RTCPeer/, name);
  for (const name of ['worker.js', 'weights.js']) assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), /method: '(POST|PUT)'/, name);
});
