// The photo that all libraries tag.

import { launch } from '../lib/browser.mjs';
import { height, width } from './libraries.mjs';

/** Size of the photo, pixels. */
export const PHOTO = { width: 1536, height: 2048 };

/** Returns a JPEG of PHOTO's size with noise like a sensor's, and the same photo in the size of the network's input, as `png` and as RGBA bytes. */
export async function makePhoto(file) {
  const browser = await launch();
  const page = await browser.newPage();
  const made = await page.evaluate(async ({ source, size, input }) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(source), (c) => c.charCodeAt(0))]));
    const draw = (image, { width, height }, cover) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d', { willReadFrequently: true });
      context.fillStyle = 'rgb(127 127 127)';
      context.fillRect(0, 0, width, height);
      const scale = Math[cover ? 'max' : 'min'](width / image.width, height / image.height);
      const [w, h] = [image.width * scale, image.height * scale];
      context.imageSmoothingQuality = 'high';
      context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
      return { canvas, context };
    };
    const { canvas, context } = draw(bitmap, size, true);
    const pixels = context.getImageData(0, 0, size.width, size.height);
    let seed = 1;
    for (let at = 0; at < pixels.data.length; at++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      if (at % 4 !== 3) pixels.data[at] += (seed >>> 28) - 8;
    }
    context.putImageData(pixels, 0, 0);
    const jpeg = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
    const small = draw(canvas, input, false);
    const png = await small.canvas.convertToBlob({ type: 'image/png' });
    const text = (bytes) => {
      let all = '';
      for (let at = 0; at < bytes.length; at += 32768) all += String.fromCharCode(...bytes.subarray(at, at + 32768));
      return btoa(all);
    };
    const bytes = async (blob) => new Uint8Array(await blob.arrayBuffer());
    return { jpeg: text(await bytes(jpeg)), png: text(await bytes(png)), input: text(small.context.getImageData(0, 0, input.width, input.height).data) };
  }, { source: file.toString('base64'), size: PHOTO, input: { width, height } });
  await browser.close();
  return Object.fromEntries(Object.entries(made).map(([name, base64]) => [name, Buffer.from(base64, 'base64')]));
}
