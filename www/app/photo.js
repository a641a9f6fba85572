// Photos of the page: an image file and its picture on the screen. The models read the file itself, in the worker.

import { throwIfAborted } from './abort.js';
import { scaleBox } from './box.js';
import { decode, ImageHolder, PhotoError } from './decode.js';
import { releaseImages } from './engine.js';
import { isReadable } from './readback.js';

export { PhotoError };

/** Longest side of the picture on the screen, pixels. */
const MAX_SIDE = 1024;

/** The decoded file of the last photo, until the worker takes it. */
const decoded = new ImageHolder(3_000);

/** Upright photo. Its picture has at most 1024 pixels per side, no transparency and none of the file's metadata. */
export class Photo {
  /** Part of the photo that was sent to the shop: null, `maybe`, `part` or `whole`. */
  sent = null;
  /** Result of the tagger for the whole photo, or null. */
  result = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Blob} file the original file
   * @param {{width: number, height: number}} full upright size of the original, pixels
   */
  constructor(canvas, file, full) {
    this.file = file;
    this.full = full;
    this.canvas = canvas;
    this.width = canvas.width;
    this.height = canvas.height;
  }

  /**
   * Decodes an image file, rotates it by its EXIF orientation and draws it in the size of the screen.
   * @param {Blob} blob
   * @param {AbortSignal} [signal]
   * @throws {PhotoError}
   */
  static async open(blob, signal) {
    throwIfAborted(signal);
    releaseImages();
    const image = await decoded.get(blob, () => decode(blob));
    decoded.rest();
    if (signal?.aborted) decoded.release();
    throwIfAborted(signal);
    const full = { width: image.width, height: image.height };
    const scale = Math.min(1, MAX_SIDE / Math.max(full.width, full.height));
    const [width, height] = [full.width, full.height].map((side) => Math.max(1, Math.round(side * scale)));
    try {
      return new Photo(draw(image, width, height, [0, 0, full.width, full.height]), blob, full);
    } catch (cause) {
      throw cause instanceof PhotoError ? cause : new PhotoError('memory', { cause });
    }
  }

  /**
   * Encodes the photo or a box on it as a JPEG. The JPEG has no metadata of the file and no pixels outside the box.
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels
   */
  async jpeg(box = null) {
    const { x, y, width, height } = box ?? { x: 0, y: 0, width: this.width, height: this.height };
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
    return { image: this.file, crop: box && scaleBox(box, this, this.full), amount: 'whole' };
  }
}

/** Hands over the decoded image of a file, if a photo was made of it a moment ago. Resolves to null otherwise. */
export const takeDecoded = (blob) => decoded.take(blob);

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
