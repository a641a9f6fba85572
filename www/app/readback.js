// Whether this browser lets a page read what it has drawn. Some hide it against tracking: they answer with white or with
// noise, and a model would read that with confidence.

/** Side of the drawn pattern, pixels. */
const SIDE = 32;

/** Largest difference of a channel that is taken for harmless noise, of 255: browsers that blur a fingerprint change by one. */
const TOLERANCE = 4;

/** The photo's pixels can't be read; what computes on them has to be asked of the shop. */
export class PixelsHidden extends Error {
  code = 'pixels_hidden';

  constructor() {
    super('the browser does not let the page read the photo’s pixels');
  }
}

let verdict = null;

/** True where pixels are read as they were drawn. Asked of the browser once, on the first call. */
export function isReadable() {
  verdict ??= probe();
  return verdict;
}

/** @throws {PixelsHidden} */
export function requireReadable() {
  if (!isReadable()) throw new PixelsHidden();
}

function probe() {
  try {
    const canvas = document.createElement('canvas');
    canvas.width = SIDE;
    canvas.height = SIDE;
    const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true }); // as photos are drawn
    const colour = (x, y) => [(x * 37 + y * 11) % 256, (x * 5 + y * 73) % 256, (x * 19 + y * 29 + 128) % 256];
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        context.fillStyle = `rgb(${colour(x, y)})`;
        context.fillRect(x, y, 1, 1);
      }
    }
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return data.every((value, at) => {
      const pixel = at >> 2;
      const drawn = at % 4 === 3 ? 255 : colour(pixel % SIDE, Math.floor(pixel / SIDE))[at % 4];
      return Math.abs(value - drawn) <= TOLERANCE;
    });
  } catch {
    return false;
  }
}
