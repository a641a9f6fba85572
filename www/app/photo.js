// Decodes image files to upright photos. No other file of the page decodes photos.

import { inspectImage } from './image-file.js';
import { isReadable, requireReadable } from './readback.js';

/** Longest side of a photo, pixels. It exceeds the input of the models and fits into the memory of a phone. */
const MAX_SIDE = 1024;

/** Largest image that is decoded, pixels. Decoded it takes 400 MB, more than a phone gives to a page. */
const MAX_PIXELS = 100_000_000;

/** Size from which a decoding failure is reported as a lack of memory, pixels. */
const HUGE = 50_000_000;

const OUT_OF_MEMORY = /RangeError|Quota|memory|allocat/i;

/** Failure to open a file. `code` is `not_an_image`, `unreadable`, `heic`, `too_large` or `memory`. */
export class PhotoError extends Error {
  constructor(code, options) {
    super(code, options);
    this.code = code;
  }
}

/** Upright photo of at most 1024 pixels per side, without transparency and without the file's metadata. */
export class Photo {
  /** Part of the photo that was sent to the shop: null, `maybe`, `part` or `whole`. */
  sent = null;
  /** Result of the tagger for the whole photo, or null. */
  result = null;

  #file;
  #full;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Blob} file the original file
   * @param {{width: number, height: number}} full upright size of the original, pixels
   */
  constructor(canvas, file, full) {
    this.#file = file;
    this.#full = full;
    this.canvas = canvas;
    this.width = canvas.width;
    this.height = canvas.height;
  }

  /**
   * Decodes an image file, rotates it by its EXIF orientation and scales it down.
   * @param {Blob} blob
   * @throws {PhotoError}
   */
  static async open(blob) {
    const full = await decode(blob);
    try {
      if (full.width * full.height > MAX_PIXELS) throw new PhotoError('too_large');
      const scale = Math.min(1, MAX_SIDE / Math.max(full.width, full.height));
      const canvas = draw(full, Math.max(1, Math.round(full.width * scale)), Math.max(1, Math.round(full.height * scale)));
      return new Photo(canvas, blob, { width: full.width, height: full.height });
    } catch (cause) {
      throw cause instanceof PhotoError ? cause : new PhotoError('memory', { cause });
    } finally {
      full.close();
    }
  }

  /**
   * Returns the pixels of the photo or of a box on it: `height × width × 4` bytes, top row first.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   * @returns {{pixels: Uint8Array, width: number, height: number}}
   * @throws {import('./readback.js').PixelsHidden}
   */
  pixels(box = null) {
    requireReadable();
    const { x, y, width, height } = box ?? this.#whole();
    const context = this.canvas.getContext('2d', { willReadFrequently: true });
    return { pixels: new Uint8Array(context.getImageData(x, y, width, height).data.buffer), width, height };
  }

  /**
   * Encodes the photo or a box on it as a JPEG. The JPEG has no metadata of the file and no pixels outside the box.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   */
  async jpeg(box = null) {
    const { x, y, width, height } = box ?? this.#whole();
    const cropped = draw(this.canvas, width, height, [x, y, width, height]);
    const blob = await new Promise((done) => cropped.toBlob(done, 'image/jpeg', 0.92));
    if (!blob) throw new PhotoError('memory');
    return blob;
  }

  /**
   * Prepares the upload of the photo or of a box on it: a JPEG of only that part. If the browser hides pixels, a JPEG would
   * contain false ones. Then the upload is the original file with the box.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   * @returns {Promise<{image: Blob, crop: object|null, amount: 'part'|'whole'}>} `crop` in pixels of `image`; `amount`: the part of
   *   the photo that `image` shows
   */
  async upload(box = null) {
    if (isReadable()) return { image: await this.jpeg(box), crop: null, amount: box ? 'part' : 'whole' };
    return { image: this.#file, crop: box && this.#scaleToFull(box), amount: 'whole' };
  }

  /** Converts a box from pixels of the photo to pixels of the original. */
  #scaleToFull(box) {
    const scaleRange = (start, length, shown, full) => {
      const from = Math.min(full - 1, Math.floor((start * full) / shown));
      return [from, Math.max(1, Math.min(full - from, Math.round((length * full) / shown)))];
    };
    const [x, width] = scaleRange(box.x, box.width, this.width, this.#full.width);
    const [y, height] = scaleRange(box.y, box.height, this.height, this.#full.height);
    return { x, y, width, height };
  }

  #whole() {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }
}

async function decode(blob) {
  let kind = null;
  let pixels = 0;
  try {
    ({ kind, pixels } = await inspectImage(blob));
    if (pixels <= MAX_PIXELS) return await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch (cause) {
    if (pixels >= HUGE || OUT_OF_MEMORY.test(`${cause.name} ${cause.message}`)) throw new PhotoError('memory', { cause });
    if (kind === 'heic') throw new PhotoError('heic', { cause });
    throw new PhotoError(kind ? 'unreadable' : 'not_an_image', { cause });
  }
  throw new PhotoError('too_large');
}

/** Draws an image, or the area `[x, y, width, height]` of it, on a new white canvas. */
function draw(image, width, height, area = [0, 0, image.width, image.height]) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new PhotoError('memory');
  // Cut-out product images are transparent. Shops show them on white.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, ...area, 0, 0, width, height);
  return canvas;
}
