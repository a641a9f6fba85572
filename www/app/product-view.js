// One product in a dialog.

import { picture, product as fetchProduct } from './api.js';
import { byId, el } from './dom.js';
import { has, pick, price, t, term } from './i18n.js';
import { problemWords } from './results-view.js';

let shown = null;

/** Loads a product and opens the dialog; closing it returns the focus to where it was. */
export async function openProduct(id) {
  shown = null;
  fill(id, el('span', { class: 'skeleton picture' }), el('div', { class: 'product-words' }, title(t('product.loading'))));
  if (!byId('product').open) byId('product').showModal();
  try {
    shown = await fetchProduct(id);
    drawProduct();
  } catch (error) {
    fill(id, null, el('div', { class: 'product-words' }, title(t('product.failed')), el('p', { class: 'notice error', role: 'alert' }, problemWords(error))));
  }
}

/** Draws the open product again, in the language of now. */
export function drawProduct() {
  if (!shown) return;
  const { id, category, name, styles, attributes, image } = shown;
  fill(
    id,
    el('div', { class: 'picture' }, el('img', { src: picture(image), alt: pick(name), width: 600, height: 600 })),
    el(
      'div',
      { class: 'product-words' },
      title(pick(name)),
      shown.price && el('p', { class: 'product-price' }, price(shown.price)),
      el(
        'dl',
        {},
        ...fact(t('product.category'), term('category', category)),
        ...(styles.length > 0 ? fact(t('product.styles'), styles.map((style) => term('label', style)).join(' · ')) : []),
        ...facts(attributes ?? {}),
        ...fact(t('product.number'), id),
      ),
    ),
  );
}

function fill(id, ...children) {
  const dialog = byId('product');
  dialog.dataset.product = id;
  const close = el('button', { type: 'button', class: 'close', 'aria-label': t('product.close'), onclick: () => dialog.close() }, '×');
  dialog.replaceChildren(close, ...children.filter(Boolean));
  // A click on the backdrop is a click on the dialog itself.
  dialog.onclick = (event) => event.target === dialog && dialog.close();
}

// Only attributes with a name in the visitor's language: shops keep others for themselves, and "none" says nothing.
const facts = (attributes) =>
  Object.entries(attributes)
    .filter(([key, value]) => has(`attribute.${key}`) && (value !== 'none' || has(`${key}.none`)))
    .flatMap(([key, value]) => fact(t(`attribute.${key}`), term(key, value)));

const title = (words) => el('h2', { id: 'product-name' }, words);

const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];
