// Files that cannot be opened as a photo give a visible error message with the reason.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { paste, PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const [WIDE, HIGH] = [[0x2e, 0xe0], [0x23, 0x28]]; // 12,000 × 9,000, big-endian
const little = ([high, low]) => [low, high];
const png = (width, height) => bytes('\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0], width, [0, 0], height, [8, 2, 0, 0, 0]);

for (const [what, buffer, text] of [
  ['a text', bytes('not an image'), /not a photo/],
  ['an empty file', bytes(), /not a photo/],
  ['an HTML page', bytes('<!doctype html><title>404</title>'), /not a photo/],
  ['a video', bytes([0, 0, 0, 24], 'ftypmp42', [0, 0, 0, 0], 'mp42isom'), /not a photo/],
  ['a HEIC photo', bytes([0, 0, 0, 24], 'ftypheic', [0, 0, 0, 0], 'mif1heic'), /HEIC.*JPEG/],
  ['a HEIC photo of another brand', bytes([0, 0, 0, 28], 'ftypmif1', [0, 0, 0, 0], 'mif1heixmiaf'), /HEIC.*JPEG/],
  ['a truncated PNG', PNG.buffer.subarray(0, 60), /cannot be opened.*damaged/],
  ['a truncated JPEG', bytes([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF'), /cannot be opened.*damaged/],
  ['a PNG of 108 megapixels', png(WIDE, HIGH), /more than 100 megapixels/],
  ['a JPEG of 108 megapixels', bytes([0xff, 0xd8, 0xff, 0xe1, 0, 6], 'Exif', [0xff, 0xff, 0xc2, 0, 17, 8], HIGH, WIDE, new Uint8Array(40)), /more than 100 megapixels/],
  ['a GIF of 108 megapixels', bytes('GIF89a', little(WIDE), little(HIGH)), /more than 100 megapixels/],
  ['a WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8X', [10, 0, 0, 0, 0, 0, 0, 0, 0xdf, 0x2e, 0, 0x27, 0x23, 0]), /more than 100 megapixels/],
  ['a lossy WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8 ', [0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a], little(WIDE), little(HIGH)), /more than 100 megapixels/],
  ['a lossless WebP of 108 megapixels', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8L', [0, 0, 0, 0, 0x2f, 0xdf, 0xee, 0xc9, 0x08]), /more than 100 megapixels/],
  ['a BMP of 108 megapixels', bytes('BM', new Uint8Array(12), [40, 0, 0, 0], little(WIDE), [0, 0], little(HIGH), [0, 0]), /more than 100 megapixels/],
]) {
  test(`${what} gives its own error message`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open();
    await page.setInputFiles('#file', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer });
    await page.waitForSelector('#photo-error:not([hidden])');
    assert.match(await page.textContent('#photo-error'), text);
    assert.match(await page.textContent('#tags'), /Choose a photo/, 'the style panel is empty again');
    await page.context().close();
  });
}

for (const [what, fault] of [
  ['the decoder', () => (globalThis.createImageBitmap = async () => { throw new DOMException('The ImageBitmap could not be allocated.', 'InvalidStateError'); })],
  ['the canvas', () => (HTMLCanvasElement.prototype.getContext = () => null)],
]) {
  test(`${what} without memory gives a message about memory`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open();
    await page.evaluate(fault);
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('#photo-error:not([hidden])');
    assert.match(await page.textContent('#photo-error'), /not have enough free memory/);
    await page.context().close();
  });
}

test('the error is in view and focused after a paste far below, and the next photo hides it', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ width: 360, height: 740, touch: true });
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
  test(`a photo is opened if ${what} is pasted before it`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open();
    await paste(page, first, PNG);
    await page.waitForSelector('.verdict');
    await page.context().close();
  });
}

test('a search works in a browser of 2022', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
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
