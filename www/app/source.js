// Inputs of the tagger: everything that a browser can draw, as pixels of at most 1024 per side.

import { orAbort, throwIfAborted } from './abort.js';
import { TaggerError } from './errors.js';
import { Photo, scaleBox } from './photo.js';

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {Blob|ImageData|ImageBitmap|HTMLImageElement|HTMLVideoElement|HTMLCanvasElement|OffscreenCanvas|VideoFrame|Photo} ImageInput
 */

/** True if an input is decoded later. The content of all others may change, so it is copied at once. */
export const isFile = (input) => input instanceof Blob;

/**
 * Opens an input.
 * @param {ImageInput} input
 * @param {AbortSignal} [signal]
 * @returns {Promise<OpenedImage>}
 * @throws {TaggerError}
 */
export async function openImage(input, signal) {
  throwIfAborted(signal);
  if (input instanceof Photo) return new OpenedImage(input, input);
  if (isFile(input)) return new OpenedImage(await Photo.open(input, signal));
  if (globalThis.ImageData && input instanceof ImageData) return openImageData(input);
  if (globalThis.HTMLImageElement && input instanceof HTMLImageElement) await orAbort(decodeElement(input), signal);
  const width = input?.naturalWidth ?? input?.videoWidth ?? input?.displayWidth ?? input?.width;
  const height = input?.naturalHeight ?? input?.videoHeight ?? input?.displayHeight ?? input?.height;
  if (!(width > 0 && height > 0)) throw new TaggerError('input_invalid', 'the input is not an image, or it is empty or not loaded');
  try {
    return new OpenedImage(Photo.of(input, { width, height }));
  } catch (cause) {
    throw cause.code === 'too_large' ? cause : new TaggerError('input_invalid', 'the input cannot be drawn', { cause });
  }
}

async function decodeElement(image) {
  try {
    await image.decode();
  } catch (cause) {
    throw new TaggerError('unreadable', 'the image element did not load', { cause });
  }
}

/** Opens raw pixels. */
function openImageData(input) {
  const { width, height } = input;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d').putImageData(input, 0, 0);
  return new OpenedImage(Photo.of(canvas, { width, height }));
}

/** Image that was opened: its pixels, and boxes in pixels of the input. */
class OpenedImage {
  #photo;
  #size;

  /** @param {Photo} photo @param {{width: number, height: number}} size size that the caller's boxes refer to */
  constructor(photo, size = photo.full) {
    this.#photo = photo;
    this.#size = size;
  }

  /**
   * Returns a copy of the pixels of the image or of a box on it.
   * @param {Box|null} [box] in pixels of the input
   */
  pixels(box = null) {
    try {
      return this.#photo.pixels(box && this.shrink(box));
    } catch (cause) {
      if (cause instanceof TaggerError) throw cause;
      throw new TaggerError('cross_origin', 'the image is of another origin, which does not allow to read it', { cause });
    }
  }

  /** Converts a box from pixels of the input to pixels of `pixels()`. */
  shrink(box) {
    const inside = (start, length, side) => start >= 0 && length > 0 && start + length <= side;
    if (!inside(box.x, box.width, this.#size.width) || !inside(box.y, box.height, this.#size.height)) throw new TaggerError('input_invalid', 'the box is not inside the image');
    return this.#size === this.#photo ? box : scaleBox(box, this.#size, this.#photo);
  }

  /** Converts a box from pixels of `pixels()` to pixels of the input. */
  grow(box) {
    return this.#size === this.#photo ? box : scaleBox(box, this.#photo, this.#size);
  }
}
