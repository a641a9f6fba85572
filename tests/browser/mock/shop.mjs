// Content of the mock shop: products, their drawn images, and a generated sample photo as PNG.

import { crc32, deflateSync } from 'node:zlib';

const COLOURS = [
  ['sage', '鼠尾草绿', '#9caf88'], ['ink', '墨蓝', '#27365e'], ['oat', '燕麦色', '#d9c9a8'], ['brick', '砖红', '#a5482f'], ['stone', '石灰', '#a8a59d'],
];
const KINDS = [
  ['tops', 'Ribbed knit', '罗纹针织衫', '<path d="M95 90q55 35 110 0l55 45-28 52-27-18v140H95V169l-27 18-28-52z"/>'],
  ['tops', 'Boxy shirt', '廓形衬衫', '<path d="M88 92 150 118l62-26 50 58-26 34-26-20v150H90V164l-26 20-26-34z"/>'],
  ['shoes', 'Low trainers', '低帮运动鞋', '<path d="M40 220q70 0 100-60l30 10q20 40 90 50v40H40z"/>'],
  ['bags', 'Market tote', '托特包', '<path d="M70 150h160l18 160H52zM105 150q45-95 90 0h-14q-31-66-62 0z"/>'],
];

/** Twenty products in the format of the service. */
export const products = Array.from({ length: 20 }, (_, i) => {
  const [category, en, zh] = KINDS[i % KINDS.length];
  const [colour, colourZh] = COLOURS[i % COLOURS.length];
  const id = `P${String(i).padStart(6, '0')}`;
  return {
    id,
    category,
    name: { en: `${en} in ${colour}`, zh: `${colourZh}${zh}` },
    price: { amount: 9900 + 2050 * i, currency: 'CNY', exponent: 2 },
    styles: ['casual', 'natural', 'minimalist'].slice(0, 1 + (i % 3)),
    attributes: { fabric: 'linen', pattern: 'plain', sleeve: 'short', colour },
    image: `/images/shop/${id}.svg`,
  };
});

/** Returns the image of a product as SVG, or null for an unknown id. */
export function drawing(id) {
  const i = products.findIndex((product) => product.id === id);
  if (i < 0) return null;
  const shape = KINDS[i % KINDS.length][3];
  const fill = COLOURS[i % COLOURS.length][2];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 400"><rect width="300" height="400" fill="#f1eee7"/><g fill="${fill}" stroke="#0003" stroke-width="2">${shape}</g></svg>`;
}

/** Draws a PNG like a photo: a rectangle in a garment's colour with folds, in front of a gradient. */
export function photo(width = 240, height = 320, garment = [110, 135, 96]) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = x > width * 0.25 && x < width * 0.75 && y > height * 0.2 && y < height * 0.85;
      const fold = inside ? 24 * Math.sin(x / 6 + y / 40) : 0;
      const base = inside ? garment : [205 - y / 4, 196 - y / 5, 184 - y / 6];
      rows.set(base.map((value) => Math.min(255, Math.max(0, Math.round(value + fold)))), y * (1 + width * 3) + 1 + x * 3);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
