// Set-up that the test files share: a browser and a mock shop, photos, and actions on the page.

import { after, before } from 'node:test';

import { startMock } from '../mock/server.mjs';
import { photo } from '../mock/shop.mjs';
import { launch, open } from './browser.mjs';
import { missing, SITE } from './places.mjs';
import { buildSite } from './site.mjs';

/** Faults of a mock whose models work on both backends. */
export const works = { modules: { webgpu: 'works', cpu: 'works' } };

/** PNG file of a photo, in the form that `setInputFiles` takes. The photo of `PNG` has 240 × 320 pixels. */
export const pngFile = (...args) => ({ name: 'photo.png', mimeType: 'image/png', buffer: photo(...args) });
export const PNG = pngFile();

/**
 * Starts a browser and a mock shop before the tests of a file, and stops them afterwards.
 * @param {{gpu?: boolean, fakeSite?: boolean, needs?: string[], bundle?: string, query?: string}} [options] `fakeSite` serves a page
 *   with fake modules instead of the built one; `needs` are the paths that the tests need; `gpu` as in `launch`; `bundle` and
 *   `query` as in `startMock`
 * @returns {{skip: string|false, browser: import('playwright-core').Browser, mock: object, site: string, open: (how?: object) => Promise<object>}}
 *   `browser`, `mock` and `site` (the folder of the page) are set before the first test; `open` opens the page
 */
export function setUp({ gpu = false, fakeSite = false, needs = fakeSite ? [] : [SITE], bundle, query } = {}) {
  const env = { skip: missing(...needs), open: (how) => open(env.browser, env.mock.url, how) };
  let built = null;
  before(async () => {
    if (env.skip) return;
    built = fakeSite ? buildSite() : null;
    env.site = built?.path ?? SITE;
    env.browser = await launch({ gpu });
    env.mock = await startMock({ site: env.site, bundle, query });
  });
  after(async () => {
    await env.browser?.close();
    await env.mock?.close();
    built?.remove();
  });
  return env;
}

/** Waits until `holds` returns or resolves to true. */
export async function waitUntil(holds) {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries >= 200) throw new Error(`still not true after 10 s: ${holds}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Pastes files into the page in one paste event. */
export const paste = (page, ...files) =>
  page.evaluate((files) => {
    const transfer = new DataTransfer();
    for (const { bytes, name, type } of files) transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
  }, files.map(({ buffer, name, mimeType }) => ({ bytes: [...buffer], name, type: mimeType })));

/** Marks the right half of the photo by keyboard. */
export async function markHalf(page) {
  await page.focus('.crop-corner.nw');
  for (let i = 0; i < 5; i++) await page.keyboard.press('Shift+ArrowRight');
}
