// Inputs of the tagger on their way to the worker. Nothing is scaled, and files are decoded by the worker.

import { orAbort, throwIfAborted } from './abort.js';
import { requireInside, scaleBox } from './box.js';
import { isOutOfMemory, PhotoError, requireSize, UPRIGHT } from './decode.js';
import { TaggerError } from './errors.js';
import { Photo, takeDecoded } from './photo.js';

/**
 * @typedef {Blob|ImageData|ImageBitmap|HTMLImageElement|HTMLVideoElement|HTMLCanvasElement|OffscreenCanvas|VideoFrame|Photo} ImageInput
 * @typedef {{name: number, blob: Blob, bitmap: ImageBitmap|null}|{bitmap: ImageBitmap}|{pixels: Uint8ClampedArray, width: number, height: number}} ImageMessage
 *   image for the worker; a blob has the same name in all messages
 */

const names = new WeakMap(); // Blob → its name, a number
let lastName = 0;

/** True if an input may still be loading. */
export const mayLoad = (input) => Boolean(globalThis.HTMLImageElement) && input instanceof HTMLImageElement;

/**
 * Opens an input. Files are read later. The content of all others may change, so it is copied when the function is called.
 * @param {ImageInput} input
 * @param {AbortSignal} [signal]
 * @returns {Promise<OpenedImage>}
 * @throws {TaggerError}
 */
export async function openImage(input, signal) {
  throwIfAborted(signal);
  if (input instanceof Photo) return new OpenedImage({ blob: input.file }, input);
  if (input instanceof Blob) return new OpenedImage({ blob: input });
  if (mayLoad(input)) await orAbort(loadElement(input), signal);
  const width = input?.naturalWidth ?? input?.videoWidth ?? input?.displayWidth ?? input?.width;
  const height = input?.naturalHeight ?? input?.videoHeight ?? input?.displayHeight ?? input?.height;
  if (!(width > 0 && height > 0)) throw new TaggerError('input_invalid', 'the input is not an image, or it is empty or not loaded');
  requireSize(width, height);
  try {
    const { data, colorSpace = 'srgb' } = input;
    const isRaw = globalThis.ImageData && input instanceof ImageData && data instanceof Uint8ClampedArray && colorSpace === 'srgb';
    return new OpenedImage(isRaw ? { pixels: data.slice(), width, height } : { bitmap: await createImageBitmap(input, UPRIGHT) });
  } catch (cause) {
    throw isOutOfMemory(cause) ? new PhotoError('memory', { cause }) : new TaggerError('input_invalid', 'the input cannot be drawn', { cause });
  }
}

async function loadElement(image) {
  try {
    await image.decode();
  } catch (cause) {
    throw new TaggerError('unreadable', 'the image element did not load', { cause });
  }
}

/** Image that was opened. Boxes of callers are in pixels of the input, those of the worker in pixels of the full image. */
export class OpenedImage {
  #content;
  #photo;

  /** @param {{blob: Blob}|{bitmap: ImageBitmap}|{pixels: Uint8ClampedArray, width: number, height: number}} content @param {Photo|null} photo */
  constructor(content, photo = null) {
    this.#content = content;
    this.#photo = photo;
  }

  /** True if the image is a file that the page has not decoded. */
  get isUnread() {
    return Boolean(this.#content.blob) && !this.#photo;
  }

  /** Returns the message of a file without decoded pixels. Null for other images. */
  get file() {
    const { blob } = this.#content;
    if (!blob) return null;
    if (!names.has(blob)) names.set(blob, ++lastName);
    return { name: names.get(blob), blob, bitmap: null };
  }

  /**
   * Prepares a message to the worker. This object keeps the image for a second attempt.
   * @returns {Promise<{image: ImageMessage, transfer: Transferable[]}>}
   */
  async send() {
    const { blob, bitmap } = this.#content;
    const copy = blob ? await takeDecoded(blob) : bitmap ? await createImageBitmap(bitmap) : null;
    return { image: bitmap ? { bitmap: copy } : { ...(this.file ?? this.#content), bitmap: copy }, transfer: copy ? [copy] : [] };
  }

  /** Converts a box of the caller. */
  toFull(box) {
    if (!this.#photo) return box;
    requireInside(box, this.#photo);
    return scaleBox(box, this.#photo, this.#photo.full);
  }

  /** Converts a box of the worker. */
  fromFull(box) {
    return this.#photo ? scaleBox(box, this.#photo.full, this.#photo) : box;
  }

  /** Frees the copy. */
  close() {
    this.#content.bitmap?.close();
  }
}
