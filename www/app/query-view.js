// View of the query above the results: the photo, and the products that the visitor wants more or less of.

import { byId, el } from './dom.js';
import { chip } from './filters-view.js';
import { t } from './i18n.js';
import { productImage, productName } from './product-card.js';

/** Height of the photo's thumbnail in pixels of the screen. */
const THUMBNAIL = 96;

/**
 * Shows the query.
 * @param {{photo: import('./photo.js').Photo|null, box: {x, y, width, height}|null, examples: {id, weight, product}[], unusable: boolean}} query
 *   `unusable`: the photo cannot be combined with products on this device
 * @param {(example: object|null) => void} remove called with the example to remove, or with null for the photo
 */
export function showQuery({ photo, box, examples, unusable }, remove) {
  const hasLiked = examples.some(({ weight }) => weight > 0);
  const chips = [photo && photoChip(photo, box, hasLiked && (() => remove(null))), ...examples.map((example) => exampleChip(example, () => remove(example)))].filter(Boolean);
  byId('query').hidden = chips.length === 0;
  byId('query').replaceChildren(
    ...(chips.length > 0 ? [el('ul', { 'aria-label': t('query.heading') }, ...chips.map((content) => el('li', {}, content)))] : []),
    ...(unusable ? [el('p', { class: 'hint', id: 'photo-unusable' }, t('query.unusable'))] : []),
  );
}

/** Makes the thumbnail of the photo or of its box. With `onremove` it is a button. */
function photoChip(photo, box, onremove) {
  const { x, y, width, height } = box ?? { x: 0, y: 0, width: photo.width, height: photo.height };
  const scale = (THUMBNAIL * Math.min(3, devicePixelRatio || 1)) / height;
  const canvas = el('canvas', { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  canvas.getContext('2d').drawImage(photo.canvas, x, y, width, height, 0, 0, canvas.width, canvas.height);
  const name = t(box ? 'query.part' : 'query.photo');
  if (onremove) return chip(name, onremove, canvas);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', name);
  return el('span', { class: 'query-photo' }, canvas);
}

function exampleChip({ id, weight, product }, onremove) {
  const text = t(weight > 0 ? 'query.like' : 'query.unlike', { name: product ? productName(product) : id });
  return chip(text, onremove, product ? productImage(product, 'chip') : el('span', { class: 'skeleton picture' }));
}
