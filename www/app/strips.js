// Images of the calls of a worker: decoding, and reading in strips, so that no copy of all pixels is needed. Nothing is scaled.

import { orAbort, throwIfAborted } from './abort.js';
import { decode, ImageHolder, isOutOfMemory, PhotoError } from './decode.js';
import { TaggerError } from './errors.js';
import { canRead, makePattern, READABLE } from './readback.js';

/** Size of a strip, bytes. */
const STRIP = 1 << 20;

/** Largest width of a canvas that all browsers allow, pixels. */
const MAX_WIDTH = 4096;

/** Longest time without handling messages, ms. */
const SLICE = 30;

/** Size from which another image displaces the decoded file, pixels. */
const LARGE = 1_000_000;

const files = new ImageHolder(3_000);
let reader = null; // promise of the way to read a bitmap that works, or null

/** Decodes a file in advance. The call that follows reports a failure. */
export function decodeAhead({ name, blob }) {
  findReader();
  files.get(name, () => decode(blob)).catch(() => {});
  files.rest();
}

/** Closes the decoded file. */
export const releaseFile = () => files.release();

/**
 * Opens the image of a call. The decoded file is kept for a moment, for further calls on it.
 * @param {import('./source.js').ImageMessage} image
 * @param {AbortSignal} signal
 * @returns {Promise<{width: number, height: number, read: (x, y, width, height) => Uint8Array|Promise<Uint8Array>, close: () => void}>}
 *   `read` returns RGBA bytes of whole rows
 * @throws {TaggerError}
 */
export async function openImage({ name, blob, bitmap, pixels, width, height }, signal) {
  if (signal.aborted) bitmap?.close();
  throwIfAborted(signal);
  if (pixels) {
    if (width * height >= LARGE) files.release();
    return { width, height, read: pixelReader(pixels, width), close: () => {} };
  }
  if (bitmap && (blob || bitmap.width * bitmap.height >= LARGE)) files.release();
  const held = blob && files.get(name, () => bitmap ?? decode(blob));
  const free = () => (held ? files.rest() : bitmap.close());
  try {
    const image = held ? await orAbort(held, signal) : bitmap;
    return { width: image.width, height: image.height, read: await openBitmap(image), close: free };
  } catch (error) {
    free();
    throw asTaggerError(error);
  }
}

/**
 * Pushes the part of an image that an intake of the wasm module needs.
 * @param {{window: () => number[], push: (rgba: Uint8Array) => void}} intake
 * @param {{read: Function}} image
 * @param {AbortSignal} signal
 */
export async function feed(intake, image, signal) {
  const [x, top, width, height] = intake.window();
  const rows = Math.max(1, Math.floor(STRIP / (4 * width)));
  let since = performance.now();
  for (let y = 0; y < height; y += rows) {
    if (performance.now() - since > SLICE) {
      await nextTask();
      since = performance.now();
    }
    throwIfAborted(signal);
    intake.push(await readStrip(image, x, top + y, width, Math.min(rows, height - y)));
  }
}

/** Reads a strip, in parts if it is wider than a canvas. */
async function readStrip({ read }, x, y, width, height) {
  try {
    if (width <= MAX_WIDTH) return await read(x, y, width, height);
    const strip = new Uint8Array(width * height * 4);
    for (let left = 0; left < width; left += MAX_WIDTH) {
      const wide = Math.min(MAX_WIDTH, width - left);
      const part = await read(x + left, y, wide, height);
      for (let row = 0; row < height; row++) strip.set(part.subarray(row * wide * 4, (row + 1) * wide * 4), (row * width + left) * 4);
    }
    return strip;
  } catch (error) {
    throw asTaggerError(error);
  }
}

const asTaggerError = (cause) => (cause instanceof TaggerError ? cause : new PhotoError(isOutOfMemory(cause) ? 'memory' : 'unreadable', { cause }));

/** Resolves after the messages that have arrived. Timers would wait for some ms. */
export const nextTask = () =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), done());
    port2.postMessage(null);
  });

/** Finds once the first way to read that works: a canvas, or WebCodecs where the browser hides the pixels of canvases. */
function findReader() {
  reader ??= (async () => {
    const pattern = makePattern();
    for (const way of [canvasReader, frameReader]) if (await canRead(way, pattern)) return way;
    return null;
  })().catch(() => null);
  return reader;
}

/** Opens a bitmap for reading. */
async function openBitmap(bitmap) {
  const way = await findReader();
  if (!way) throw new TaggerError('pixels_hidden', 'the browser does not let scripts read the pixels of an image');
  return way(bitmap);
}

/**
 * Returns a function that draws a part of a bitmap on a white canvas of at least its size. Drawing turns the bitmap upright:
 * Chromium's `VideoFrame` of a bitmap ignores the orientation of its file.
 */
function stripDrawer(bitmap) {
  let canvas = null;
  let context;
  return (x, y, width, height) => {
    if (!(canvas?.width >= width && canvas.height >= height)) {
      canvas = new OffscreenCanvas(width, height);
      context = canvas.getContext('2d', READABLE);
      if (!context) throw new PhotoError('memory');
      context.imageSmoothingEnabled = false;
      context.fillStyle = '#fff';
    }
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
    return context;
  };
}

function canvasReader(bitmap) {
  const draw = stripDrawer(bitmap);
  return (x, y, width, height) => new Uint8Array(draw(x, y, width, height).getImageData(0, 0, width, height).data.buffer);
}

function frameReader(bitmap) {
  const draw = stripDrawer(bitmap);
  return async (x, y, width, height) => {
    const frame = new VideoFrame(draw(x, y, width, height).canvas, { timestamp: 0 });
    try {
      const strip = new Uint8Array(width * height * 4);
      await frame.copyTo(strip, { rect: { x: 0, y: 0, width, height }, format: 'RGBA', colorSpace: 'srgb' });
      return strip;
    } finally {
      frame.close();
    }
  };
}

/** Reads raw pixels. */
function pixelReader(pixels, imageWidth) {
  const bytes = new Uint8Array(pixels.buffer);
  return (x, y, width, height) => {
    if (width === imageWidth) return bytes.subarray(y * width * 4, (y + height) * width * 4);
    const strip = new Uint8Array(width * height * 4);
    for (let row = 0; row < height; row++) {
      const from = ((y + row) * imageWidth + x) * 4;
      strip.set(bytes.subarray(from, from + width * 4), row * width * 4);
    }
    return strip;
  };
}
