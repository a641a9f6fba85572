// Test whether the browser lets scripts read the pixels of a canvas. Some browsers return white or noise against
// tracking, and a model would give a confident but wrong answer for that. Used by the page and the worker.

import { TaggerError } from './errors.js';

/** Side of the test pattern, pixels. */
const SIDE = 32;

/** Largest difference of a channel (0–255) that counts as noise. Browsers against fingerprinting change values by one. */
const TOLERANCE = 4;

/** Options of the contexts whose pixels are read. */
export const READABLE = { alpha: false, willReadFrequently: true };

/** Error: the browser hides the photo's pixels. Then only the shop can compute on the photo. */
export class PixelsHidden extends TaggerError {
  constructor() {
    super('pixels_hidden', 'the browser does not let the page read the photo’s pixels');
  }
}

/** Colour of a pixel of the pattern: red, green, blue, and the opacity. The last rows are translucent. */
const colour = (x, y) => [(x * 37 + y * 11) % 256, (x * 5 + y * 73) % 256, (x * 19 + y * 29 + 128) % 256, y < SIDE - 4 ? 1 : 0.6];

/** Draws the test pattern on a context of a canvas of SIDE × SIDE pixels. */
function drawPattern(context) {
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      context.fillStyle = `rgba(${colour(x, y)})`;
      context.fillRect(x, y, 1, 1);
    }
  }
}

/** True if RGBA bytes are the test pattern on white. Transparent bytes are blended with white. */
function isPattern(data) {
  const onWhite = (value, opacity) => 255 + (value - 255) * opacity;
  for (let at = 0; at < SIDE * SIDE * 4; at++) {
    const pixel = at >> 2;
    const [red, green, blue, opacity] = colour(pixel % SIDE, Math.floor(pixel / SIDE));
    if (at % 4 < 3 && !(Math.abs(onWhite(data[at], data[at | 3] / 255) - onWhite([red, green, blue][at % 4], opacity)) <= TOLERANCE)) return false;
  }
  return true;
}

/**
 * True if a way of reading gives the pixels of an image. Runs in a worker.
 * @param {(bitmap: ImageBitmap) => {read: Function, close: () => void}} openReader
 */
export async function canRead(openReader) {
  try {
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    drawPattern(canvas.getContext('2d', { willReadFrequently: true }));
    const bitmap = canvas.transferToImageBitmap();
    const reader = openReader(bitmap);
    const data = await reader.read(0, 0, SIDE, SIDE);
    reader.close();
    bitmap.close();
    return isPattern(data);
  } catch {
    return false;
  }
}

let readable = null;

/** True if the page can read canvas pixels. The test runs once, on the first call. */
export function isReadable() {
  readable ??= testCanvas();
  return readable;
}

function testCanvas() {
  try {
    const canvas = document.createElement('canvas');
    canvas.width = SIDE;
    canvas.height = SIDE;
    const context = canvas.getContext('2d', READABLE);
    context.fillStyle = '#fff';
    context.fillRect(0, 0, SIDE, SIDE);
    drawPattern(context);
    return isPattern(context.getImageData(0, 0, SIDE, SIDE).data);
  } catch {
    return false;
  }
}
