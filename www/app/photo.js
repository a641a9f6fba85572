// A picture file → upright pixels. The one place where the page decodes photos.

import { inspect } from './picture-file.js';
import { isReadable, requireReadable } from './readback.js';

/** Longest side kept, pixels: well above what the models look at, small enough for a phone. */
const MAX_SIDE = 1024;

/** Pixels that are decoded at most: 400 MB, more than a phone gives to a page. */
const MAX_PIXELS = 100_000_000;

/** From here on, a picture that does not decode is taken for one that did not fit into memory. */
const HUGE = 50_000_000;

const OUT_OF_MEMORY = /RangeError|Quota|memory|allocat/i;

/** A file that gave no photo. `code` is `not_a_picture`, `unreadable`, `heic`, `too_large` or `memory`. */
export class PhotoError extends Error {
  constructor(code, options) {
    super(code, options);
    this.code = code;
  }
}

/** An upright photo of at most 1024 pixels a side, without transparency and without the file's metadata. */
export class Photo {
  /** How much of it was sent to the shop: null, `maybe`, `part` or `whole`. */
  sent = null;
  /** The reading of its style as a whole, once there is one. */
  reading = null;

  #file;
  #full;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Blob} file the picture as it came
   * @param {{width: number, height: number}} full the upright size of that, pixels
   */
  constructor(canvas, file, full) {
    this.#file = file;
    this.#full = full;
    this.canvas = canvas;
    this.width = canvas.width;
    this.height = canvas.height;
  }

  /**
   * Decodes a picture; turns it upright by its EXIF orientation and scales it down.
   * @param {Blob} blob
   * @throws {PhotoError}
   */
  static async open(blob) {
    const full = await decode(blob);
    try {
      if (full.width * full.height > MAX_PIXELS) throw new PhotoError('too_large');
      const shrink = Math.min(1, MAX_SIDE / Math.max(full.width, full.height));
      const canvas = draw(full, Math.max(1, Math.round(full.width * shrink)), Math.max(1, Math.round(full.height * shrink)));
      return new Photo(canvas, blob, { width: full.width, height: full.height });
    } catch (cause) {
      throw cause instanceof PhotoError ? cause : new PhotoError('memory', { cause });
    } finally {
      full.close();
    }
  }

  /**
   * The pixels of the photo or of a box on it: `height × width × 4` bytes, rows from the top.
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
   * A JPEG of the photo or of a box on it. Drawn afresh, so that neither place nor camera of the file goes along, nor
   * anything outside the box.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   */
  async jpeg(box = null) {
    const { x, y, width, height } = box ?? this.#whole();
    const part = draw(this.canvas, width, height, [x, y, width, height]);
    const blob = await new Promise((done) => part.toBlob(done, 'image/jpeg', 0.92));
    if (!blob) throw new PhotoError('memory');
    return blob;
  }

  /**
   * What goes to the shop for the photo or for a box on it: a JPEG of that alone. Where the browser hides pixels, a JPEG would
   * hold the same nonsense: then it is the file as it came, with the box beside it.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   * @returns {Promise<{image: Blob, crop: object|null, much: 'part'|'whole'}>} `crop` in pixels of the image, `much` of the photo
   */
  async upload(box = null) {
    if (isReadable()) return { image: await this.jpeg(box), crop: null, much: box ? 'part' : 'whole' };
    const { width, height } = this.#full;
    const along = (start, length, shown, full) => {
      const from = Math.min(full - 1, Math.floor((start * full) / shown));
      return [from, Math.max(1, Math.min(full - from, Math.round((length * full) / shown)))];
    };
    const cut = () => {
      const [x, w] = along(box.x, box.width, this.width, width);
      const [y, h] = along(box.y, box.height, this.height, height);
      return { x, y, width: w, height: h };
    };
    return { image: this.#file, crop: box && cut(), much: 'whole' };
  }

  #whole() {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }
}

async function decode(blob) {
  let kind = null;
  let pixels = 0;
  try {
    ({ kind, pixels } = await inspect(blob));
    if (pixels <= MAX_PIXELS) return await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch (cause) {
    if (pixels >= HUGE || OUT_OF_MEMORY.test(`${cause.name} ${cause.message}`)) throw new PhotoError('memory', { cause });
    if (kind === 'heic') throw new PhotoError('heic', { cause });
    throw new PhotoError(kind ? 'unreadable' : 'not_a_picture', { cause });
  }
  throw new PhotoError('too_large');
}

/** A picture, or a part of it, on a white canvas of its own. */
function draw(picture, width, height, part = [0, 0, picture.width, picture.height]) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new PhotoError('memory');
  // Cut-out product pictures are transparent; shops show them on white.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, ...part, 0, 0, width, height);
  return canvas;
}
