// Decodes image files to upright photos. No other file of the page decodes photos.

import { throwIfAborted } from './abort.js';
import { TaggerError } from './errors.js';
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
export class PhotoError extends TaggerError {
  constructor(code, options) {
    super(code, MESSAGES[code], options);
  }
}

const MESSAGES = {
  not_an_image: 'the file is not an image',
  unreadable: 'the image cannot be decoded',
  heic: 'this browser cannot decode HEIC',
  too_large: 'the image has more than 100 megapixels',
  memory: 'the browser has not enough memory for the image',
};

/** Upright photo of at most 1024 pixels per side, without transparency and without the file's metadata. */
export class Photo {
  /** Part of the photo that was sent to the shop: null, `maybe`, `part` or `whole`. */
  sent = null;
  /** Result of the tagger for the whole photo, or null. */
  result = null;

  #file;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Blob} file the original file
   * @param {{width: number, height: number}} full upright size of the original, pixels
   */
  constructor(canvas, file, full) {
    this.#file = file;
    this.full = full;
    this.canvas = canvas;
    this.width = canvas.width;
    this.height = canvas.height;
  }

  /**
   * Decodes an image file, rotates it by its EXIF orientation and scales it down.
   * @param {Blob} blob
   * @param {AbortSignal} [signal]
   * @throws {PhotoError}
   */
  static async open(blob, signal) {
    throwIfAborted(signal);
    const full = await decode(blob);
    try {
      throwIfAborted(signal);
      return Photo.of(full, { width: full.width, height: full.height }, blob);
    } finally {
      full.close();
    }
  }

  /**
   * Copies and scales down an image that the browser can draw.
   * @param {CanvasImageSource} image
   * @param {{width: number, height: number}} full its size, pixels
   * @param {Blob|null} file the original file
   * @throws {PhotoError}
   */
  static of(image, full, file = null) {
    if (full.width * full.height > MAX_PIXELS) throw new PhotoError('too_large');
    const scale = Math.min(1, MAX_SIDE / Math.max(full.width, full.height));
    const [width, height] = [full.width, full.height].map((side) => Math.max(1, Math.round(side * scale)));
    try {
      return new Photo(draw(image, width, height, [0, 0, full.width, full.height]), file, full);
    } catch (cause) {
      throw cause instanceof PhotoError ? cause : new PhotoError('memory', { cause });
    }
  }

  /**
   * Returns a copy of the pixels of the photo or of a box on it: `height × width × 4` bytes, top row first.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   * @returns {{data: Uint8Array, width: number, height: number}}
   * @throws {import('./readback.js').PixelsHidden}
   */
  pixels(box = null) {
    requireReadable();
    const { x, y, width, height } = box ?? this.#whole();
    const context = this.canvas.getContext('2d', { willReadFrequently: true });
    return { data: new Uint8Array(context.getImageData(x, y, width, height).data.buffer), width, height };
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
    return { image: this.#file, crop: box && scaleBox(box, this, this.full), amount: 'whole' };
  }

  #whole() {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }
}

/**
 * Converts a box from pixels of one size of an image to pixels of another size.
 * @param {{x: number, y: number, width: number, height: number}} box
 * @param {{width: number, height: number}} from @param {{width: number, height: number}} to
 */
export function scaleBox(box, from, to) {
  const scaleRange = (start, length, fromSide, toSide) => {
    const first = Math.max(0, Math.min(toSide - 1, Math.floor((start * toSide) / fromSide)));
    return [first, Math.max(1, Math.min(toSide - first, Math.round((length * toSide) / fromSide)))];
  };
  const [x, width] = scaleRange(box.x, box.width, from.width, to.width);
  const [y, height] = scaleRange(box.y, box.height, from.height, to.height);
  return { x, y, width, height };
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

/** Draws the area `[x, y, width, height]` of an image on a new white canvas. */
function draw(image, width, height, area) {
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
