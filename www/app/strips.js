// Images of the calls of a worker: decoding, and reading in strips, so that no copy of all pixels is needed. Nothing is scaled.

import { orAbort, throwIfAborted } from './abort.js';
import { decode, ImageHolder, isOutOfMemory, PhotoError } from './decode.js';
import { TaggerError } from './errors.js';
import { canRead, PixelsHidden, READABLE } from './readback.js';

/** Size of a strip, bytes. */
const STRIP = 1 << 20;

/** Largest width of a canvas that all browsers allow, pixels. */
const MAX_WIDTH = 4096;

/** Longest time without handling messages, ms. */
const SLICE = 30;

/** Size from which an image that is no file displaces the decoded file, pixels. */
const LARGE = 1_000_000;

const files = new ImageHolder(3_000);
let readers = null; // promise of the ways to read a bitmap that work

/** Decodes a file in advance. The call that follows reports a failure. */
export function decodeAhead({ name, blob }) {
  findReaders();
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
  if (pixels) {
    if (width * height >= LARGE) files.release();
    return { width, height, read: pixelReader(pixels, width), close: () => {} };
  }
  if (!blob && bitmap.width * bitmap.height >= LARGE) files.release();
  if (blob && bitmap) files.release();
  const image = blob ? await orAbort(files.get(name, () => bitmap ?? decode(blob)), signal) : bitmap;
  const free = () => (blob ? files.rest() : bitmap.close());
  try {
    const { read, close } = openReader(image, await findReaders());
    return { width: image.width, height: image.height, read, close: () => (close(), free()) };
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

/** Tests once which ways to read work: through a canvas and through WebCodecs. */
function findReaders() {
  readers ??= (async () => {
    const canvas = await canRead(canvasReader);
    for (const frame of [frameReader, premultipliedReader]) if (await canRead(frame)) return { canvas, frame };
    return { canvas, frame: null };
  })();
  return readers;
}

/** Opens a bitmap for reading. WebCodecs is faster, and gives the same bytes if no colour and no transparency is converted. */
function openReader(bitmap, { canvas, frame }) {
  const reader = frame?.(bitmap);
  if (reader && (!canvas || reader.isExact)) return reader;
  reader?.close();
  if (!canvas) throw new PixelsHidden();
  return canvasReader(bitmap);
}

/** Reads a bitmap through a canvas of the size of a strip. Transparent parts become white. */
function canvasReader(bitmap) {
  let canvas = null;
  let context;
  const read = (x, y, width, height) => {
    if (!(canvas?.width >= width && canvas.height >= height)) {
      canvas = new OffscreenCanvas(width, height);
      context = canvas.getContext('2d', READABLE);
      if (!context) throw new PhotoError('memory');
      context.imageSmoothingEnabled = false;
      context.fillStyle = '#fff';
    }
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
    return new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
  };
  return { read, close: () => {} };
}

/** Reads a bitmap through WebCodecs. The wasm module blends transparent parts with white. */
function frameReader(bitmap) {
  const frame = new VideoFrame(bitmap, { timestamp: 0 });
  let buffer = new Uint8Array(0); // new memory for every strip would take as long as the reading
  const read = async (x, y, width, height) => {
    const length = width * height * 4;
    if (buffer.length < length) buffer = new Uint8Array(length);
    const strip = buffer.subarray(0, length);
    await frame.copyTo(strip, { rect: { x, y, width, height }, format: 'RGBA', colorSpace: 'srgb' });
    return strip;
  };
  const { format, colorSpace } = frame;
  const isExact = /^(RGB|BGR)X$/.test(format) && colorSpace.primaries === 'bt709' && colorSpace.transfer === 'iec61966-2-1';
  return { read, isExact, close: () => frame.close() };
}

/** Reads a bitmap through WebCodecs in browsers that multiply the colours by the opacity. Transparent parts become white. */
function premultipliedReader(bitmap) {
  const { read, ...rest } = frameReader(bitmap);
  const blend = async (...place) => {
    const strip = await read(...place);
    for (let at = 3; at < strip.length; at += 4) {
      const white = 255 - strip[at];
      if (white > 0) for (let channel = at - 3; channel <= at; channel++) strip[channel] = Math.min(255, strip[channel] + white);
    }
    return strip;
  };
  return { ...rest, read: rest.isExact ? read : blend };
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
