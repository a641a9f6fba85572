// A picture file → upright pixels. The one place where the page decodes photos.

import { requireReadable } from './readback.js';

/** Longest side kept, pixels: well above what the models look at, small enough for a phone. */
const MAX_SIDE = 1024;

/** A file that is no picture, or one that this browser can't read. */
export class NotAnImage extends Error {}

/** An upright photo of at most 1024 pixels a side, without transparency and without the file's metadata. */
export class Photo {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.width = canvas.width;
    this.height = canvas.height;
  }

  /**
   * Decodes a picture; turns it upright by its EXIF orientation and scales it down.
   * @param {Blob} blob
   * @throws {NotAnImage}
   */
  static async open(blob) {
    const full = await decode(blob);
    const shrink = Math.min(1, MAX_SIDE / Math.max(full.width, full.height));
    const width = Math.max(1, Math.round(full.width * shrink));
    const height = Math.max(1, Math.round(full.height * shrink));
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    // Cut-out product pictures are transparent; shops show them on white.
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(full, 0, 0, width, height);
    full.close();
    return new Photo(canvas);
  }

  /**
   * `height × width × 4` bytes, rows from the top.
   * @throws {PixelsHidden}
   */
  pixels() {
    requireReadable();
    const context = this.canvas.getContext('2d', { willReadFrequently: true });
    return new Uint8Array(context.getImageData(0, 0, this.width, this.height).data.buffer);
  }

  /** A JPEG for the search. Drawn afresh, so that neither place nor camera of the file goes along. */
  async jpeg() {
    const blob = await new Promise((done) => this.canvas.toBlob(done, 'image/jpeg', 0.92));
    if (!blob) throw new NotAnImage('the photo could not be written as JPEG');
    return blob;
  }
}

async function decode(blob) {
  try {
    return await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch (cause) {
    throw new NotAnImage('not a picture that this browser can read', { cause });
  }
}
