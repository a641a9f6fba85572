// Decoding of image files. The page and the worker decode with this file, so that both get the same pixels.

import { TaggerError } from './errors.js';
import { inspectImage } from './image-file.js';

/** Largest image that is accepted, pixels. Decoded it takes 400 MB, more than a phone gives to a page. */
const MAX_PIXELS = 100_000_000;

/** Size from which a decoding failure is reported as a lack of memory, pixels. */
const HUGE = 50_000_000;

/** Options of all decoded images: upright, in the colours of the file. */
export const UPRIGHT = { imageOrientation: 'from-image' };

const MESSAGES = {
  not_an_image: 'the file is not an image',
  unreadable: 'the image cannot be decoded',
  heic: 'this browser cannot decode HEIC',
  too_large: 'the image has more than 100 megapixels',
  memory: 'the browser has not enough memory for the image',
};

/** Failure to open an image. `code` is `not_an_image`, `unreadable`, `heic`, `too_large` or `memory`. */
export class PhotoError extends TaggerError {
  constructor(code, options) {
    super(code, MESSAGES[code], options);
  }
}

/**
 * Decodes an image file, upright.
 * @param {Blob} blob
 * @returns {Promise<ImageBitmap>}
 * @throws {PhotoError}
 */
export async function decode(blob) {
  let kind = null;
  let pixels = 0;
  try {
    ({ kind, pixels } = await inspectImage(blob));
    requireSize(pixels, 1);
    const bitmap = await createImageBitmap(blob, UPRIGHT);
    requireSize(bitmap.width, bitmap.height);
    return bitmap;
  } catch (cause) {
    if (cause instanceof PhotoError) throw cause;
    if (pixels >= HUGE || isOutOfMemory(cause)) throw new PhotoError('memory', { cause });
    if (kind === 'heic') throw new PhotoError('heic', { cause });
    throw new PhotoError(kind ? 'unreadable' : 'not_an_image', { cause });
  }
}

/**
 * Throws if an image is larger than the page accepts.
 * @throws {PhotoError}
 */
export function requireSize(width, height) {
  if (width * height > MAX_PIXELS) throw new PhotoError('too_large');
}

/** True if an error of the browser is about memory. */
export const isOutOfMemory = ({ name, message }) => /RangeError|Quota|memory|allocat/i.test(`${name} ${message}`);

/** Holder of one decoded image. It closes the image before it decodes another one, and when the image was not used for a while. */
export class ImageHolder {
  #key = null;
  #image = Promise.resolve(null); // of the image held, or of null
  #time;
  #timer;

  /** @param {number} time time that an image is held after `rest`, ms */
  constructor(time) {
    this.#time = time;
  }

  /**
   * Returns the image with a key. If another image is held, closes that one and then decodes.
   * @param {unknown} key
   * @param {() => Promise<ImageBitmap>|ImageBitmap} open
   * @returns {Promise<ImageBitmap>}
   */
  get(key, open) {
    clearTimeout(this.#timer);
    if (key === this.#key) return this.#image;
    this.release();
    const image = this.#image.then(open);
    this.#key = key;
    this.#image = image;
    image.catch(() => this.#image === image && this.release());
    return image;
  }

  /** Hands the image with a key over to the caller. Resolves to null if it is not held. */
  take(key) {
    if (key !== this.#key) return Promise.resolve(null);
    const image = this.#image;
    this.#image = Promise.resolve(null);
    this.release();
    return image;
  }

  /** Holds the image for a while only. */
  rest() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.release(), this.#time);
  }

  /** Closes the image as soon as it is decoded. */
  release() {
    clearTimeout(this.#timer);
    this.#key = null;
    this.#image = this.#image.then((image) => image?.close(), () => {}).then(() => null);
  }
}
