// Files that give no photo are refused with a reason, where the visitor looks.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, tagPhoto } from './lib/browser.mjs';
import { paste, PNG, stage, works } from './lib/stage.mjs';

const on = stage();
const { skip } = on;
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const [WIDE, HIGH] = [[0x2e, 0xe0], [0x23, 0x28]]; // 12,000 × 9,000, big end first
const little = ([high, low]) => [low, high];
const png = (width, height) => bytes('\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0], width, [0, 0], height, [8, 2, 0, 0, 0]);

for (const [what, buffer, words] of [
  ['a text', bytes('not a picture'), /not a picture/],
  ['an empty file', bytes(), /not a picture/],
  ['a page of HTML', bytes('<!doctype html><title>404</title>'), /not a picture/],
  ['a video', bytes([0, 0, 0, 24], 'ftypmp42', [0, 0, 0, 0], 'mp42isom'), /not a picture/],
  ['a HEIC photo', bytes([0, 0, 0, 24], 'ftypheic', [0, 0, 0, 0], 'mif1heic'), /HEIC.*JPEG/],
  ['a HEIC photo of another brand', bytes([0, 0, 0, 28], 'ftypmif1', [0, 0, 0, 0], 'mif1heixmiaf'), /HEIC.*JPEG/],
  ['a PNG cut short', PNG.buffer.subarray(0, 60), /cannot be opened here.*incomplete/],
  ['a JPEG cut short', bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF'), /cannot be opened here.*incomplete/],
  ['a PNG of 108 megapixels', png(WIDE, HIGH), /more than 100 megapixels/],
  ['a JPEG of 108 megapixels', bytes([0xff, 0xd8, 0xff, 0xe1, 0, 6], 'Exif', [0xff, 0xff, 0xc2, 0, 17, 8], HIGH, WIDE, new Uint8Array(40)), /more than 100 megapixels/],
  ['a GIF of 108 megapixels', bytes('GIF89a', little(WIDE), little(HIGH)), /more than 100 megapixels/],
  ['a WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8X', [10, 0, 0, 0, 0, 0, 0, 0, 0xdf, 0x2e, 0, 0x27, 0x23, 0]), /more than 100 megapixels/],
  ['a lossy WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8 ', [0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a], little(WIDE), little(HIGH)), /more than 100 megapixels/],
  ['a lossless WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8L', [0, 0, 0, 0, 0x2f, 0xdf, 0xee, 0xc9, 0x08]), /more than 100 megapixels/],
  ['a BMP of 108 megapixels', bytes('BM', new Uint8Array(12), [40, 0, 0, 0], little(WIDE), [0, 0], little(HIGH), [0, 0]), /more than 100 megapixels/],
]) {
  test(`${what} is refused in words of its own`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url);
    await page.setInputFiles('#file', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer });
    await page.waitForSelector('#photo-error:not([hidden])');
    assert.match(await page.textContent('#photo-error'), words);
    assert.match(await page.textContent('#tags'), /Choose a photo/, 'nothing is still opening');
    await page.context().close();
  });
}

for (const [what, fault] of [
  ['the decoder', () => (globalThis.createImageBitmap = async () => { throw new DOMException('The ImageBitmap could not be allocated.', 'InvalidStateError'); })],
  ['the canvas', () => (HTMLCanvasElement.prototype.getContext = () => null)],
]) {
  test(`${what} that runs out of memory is not taken for a bad picture`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url);
    await page.evaluate(fault);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('#photo-error:not([hidden])');
    assert.match(await page.textContent('#photo-error'), /too little free memory/);
    await page.context().close();
  });
}

test('the error is in view and has the focus, also far below a photo, and goes with the next photo', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url, { width: 360, height: 740, touch: true });
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await paste(page, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') });
  await page.waitForSelector('#photo-error:not([hidden])');
  const seen = await page.$eval('#photo-error', (node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return { inView: top >= 0 && bottom <= innerHeight, focused: document.activeElement === node, role: node.getAttribute('role') };
  });
  assert.deepEqual(seen, { inView: true, focused: true, role: 'alert' });
  await tagPhoto(page, PNG);
  await page.waitForSelector('#photo-error', { state: 'hidden' });
  await page.context().close();
});

for (const [what, first] of [
  ['a text', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') }],
  ['a file of unknown type', { name: 'notes', mimeType: '', buffer: Buffer.from('notes') }],
]) {
  test(`${what} pasted before a picture does not stand in its way`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url);
    await paste(page, first, PNG);
    await page.waitForSelector('.verdict');
    await page.context().close();
  });
}

test('a browser of 2022 searches, too', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url);
  await page.evaluate(() => {
    delete AbortSignal.any;
    delete AbortSignal.timeout;
    delete Intl.Segmenter;
  });
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.context().close();
});
