// Test whether the browser lets the page read the pixels of a canvas. Some browsers return white or noise against
// tracking, and a model would give a confident but wrong answer for that.

import { TaggerError } from './errors.js';

/** Side of the test pattern, pixels. */
const SIDE = 32;

/** Largest difference of a channel (0–255) that counts as noise. Browsers against fingerprinting change values by one. */
const TOLERANCE = 4;

/** Error: the browser hides the photo's pixels. Then only the shop can compute on the photo. */
export class PixelsHidden extends TaggerError {
  constructor() {
    super('pixels_hidden', 'the browser does not let the page read the photo’s pixels');
  }
}

let readable = null;

/** True if canvas pixels can be read. The test runs once, on the first call. */
export function isReadable() {
  readable ??= testReadback();
  return readable;
}

/**
 * Throws if canvas pixels cannot be read.
 * @throws {PixelsHidden}
 */
export function requireReadable() {
  if (!isReadable()) throw new PixelsHidden();
}

function testReadback() {
  try {
    const canvas = document.createElement('canvas');
    canvas.width = SIDE;
    canvas.height = SIDE;
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true }); // same options as for photos
    const colour = (x, y) => [(x * 37 + y * 11) % 256, (x * 5 + y * 73) % 256, (x * 19 + y * 29 + 128) % 256];
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        context.fillStyle = `rgb(${colour(x, y)})`;
        context.fillRect(x, y, 1, 1);
      }
    }
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return data.every((value, at) => {
      const pixel = at >> 2;
      const drawn = at % 4 === 3 ? 255 : colour(pixel % SIDE, Math.floor(pixel / SIDE))[at % 4];
      return Math.abs(value - drawn) <= TOLERANCE;
    });
  } catch {
    return false;
  }
}
