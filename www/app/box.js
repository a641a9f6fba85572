// Boxes on images, in pixels.

import { TaggerError } from './errors.js';

/** @typedef {{x: number, y: number, width: number, height: number}} Box */

/**
 * Converts a box from pixels of one size of an image to whole pixels of another size.
 * @param {Box} box
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

/**
 * Throws if a box is not inside an image.
 * @param {Box} box
 * @param {{width: number, height: number}} size
 * @throws {TaggerError}
 */
export function requireInside(box, size) {
  const inside = (start, length, side) => start >= 0 && length > 0 && start + length <= side;
  if (!inside(box.x, box.width, size.width) || !inside(box.y, box.height, size.height)) throw new TaggerError('input_invalid', 'the box is not inside the image');
}
