// A browser and a mock shop for the tests of one file.

import { after, before } from 'node:test';

import { startMock } from '../mock/server.mjs';
import { photo } from '../mock/shop.mjs';
import { launch } from './browser.mjs';
import { missing, SITE } from './places.mjs';

/** Models that work, whichever module is loaded. */
export const works = { modules: { webgpu: 'works', cpu: 'works' } };

/** A photo of 240 × 320 pixels, as a file to choose. */
export const PNG = { name: 'photo.png', mimeType: 'image/png', buffer: photo() };

/**
 * Starts a browser and a mock before the tests of a file and ends them after.
 * @returns {{skip: string|false, browser: import('playwright-core').Browser, mock: object}} filled before the first test
 */
export function stage() {
  const on = { skip: missing(SITE) };
  before(async () => {
    if (on.skip) return;
    on.browser = await launch();
    on.mock = await startMock({ site: SITE });
  });
  after(async () => {
    await on.browser?.close();
    await on.mock?.close();
  });
  return on;
}

/** Pastes files into the page, all of them at once. */
export const paste = (page, ...files) =>
  page.evaluate((files) => {
    const transfer = new DataTransfer();
    for (const { bytes, name, type } of files) transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
  }, files.map(({ buffer, name, mimeType }) => ({ bytes: [...buffer], name, type: mimeType })));

/** Marks the right half of the photo by keyboard: its left corners go to the middle. */
export async function markHalf(page) {
  await page.focus('.crop-corner.nw');
  for (let i = 0; i < 5; i++) await page.keyboard.press('Shift+ArrowRight');
}
