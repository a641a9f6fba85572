// Photos to inputs and logits to probabilities, as a site would write it that uses a general library.

const MEAN = 127 / 255;
const STD = 128 / 255;

/** Decodes a Blob. Returns an ImageBitmap as it is. */
export const decode = (image) => (image instanceof Blob ? createImageBitmap(image) : image);

/** Draws an image on a canvas of the input's size, whole and centred on grey. Returns its RGBA bytes. */
export function draw(image, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'rgb(127 127 127)';
  context.fillRect(0, 0, width, height);
  const scale = Math.min(width / image.width, height / image.height);
  const [w, h] = [image.width * scale, image.height * scale];
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
  return context.getImageData(0, 0, width, height).data;
}

/** Normalises RGBA bytes to `[3, height, width]`. */
export function planes(rgba) {
  const count = rgba.length / 4;
  const values = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    for (let channel = 0; channel < 3; channel++) values[channel * count + at] = (rgba[4 * at + channel] / 255 - MEAN) / STD;
  }
  return values;
}

/** Normalises RGBA bytes to `[height, width, 3]`. */
export function pixels(rgba) {
  const count = rgba.length / 4;
  const values = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    for (let channel = 0; channel < 3; channel++) values[3 * at + channel] = (rgba[4 * at + channel] / 255 - MEAN) / STD;
  }
  return values;
}

/** Converts logits to `[{prob}]`. */
export const tags = (logits) => Array.from(logits, (logit) => ({ prob: 1 / (1 + Math.exp(-logit)) }));
