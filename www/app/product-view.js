// One product in a dialog. Its address is `#product=ID`: such a link can be opened in a tab, kept and sent, and Back
// closes the dialog.

import { product as fetchProduct } from './api.js';
import { byId, el } from './dom.js';
import { has, pick, price, t, term, unbroken } from './i18n.js';
import { problemWords, productPicture } from './results-view.js';

let wanted = null; // id of the product that is open
let pushed = false; // the page itself was there before: Back leads to it
let draw = () => {};

/** Opens the product that the address names, now and whenever it changes. */
export function watchAddress() {
  const dialog = byId('product');
  dialog.addEventListener('close', () => {
    if (named() === null) return; // closed by Back
    if (pushed) history.back();
    else history.replaceState(null, '', location.pathname + location.search);
    wanted = null;
  });
  // A click on the backdrop is a click on the dialog itself.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  addEventListener('hashchange', () => {
    pushed = true;
    follow();
  });
  follow();
}

/** Draws the open product again, in the language of now. */
export function drawProduct() {
  if (wanted !== null) draw();
}

function follow() {
  const id = named();
  if (id !== null) return open(id);
  wanted = null;
  byId('product').close();
}

/** The id in the address, or null. */
function named() {
  const [, id] = /^#product=(.+)$/.exec(location.hash) ?? [];
  try {
    return id === undefined ? null : decodeURIComponent(id);
  } catch {
    return id; // not encoded by this page: asked for as it stands
  }
}

async function open(id) {
  wanted = id;
  show(() => fill(id, el('span', { class: 'skeleton picture' }), el('div', { class: 'product-words' }, title(t('product.loading')))));
  if (!byId('product').open) byId('product').showModal();
  try {
    const product = await fetchProduct(id);
    if (wanted === id) show(() => fill(id, ...describe(product, id)));
  } catch (error) {
    if (wanted !== id) return; // another was opened while this one came
    show(() => fill(id, null, el('div', { class: 'product-words' }, title(t('product.failed')), el('p', { class: 'notice error', role: 'alert' }, problemWords(error)))));
  }
}

function show(next) {
  draw = next;
  draw();
}

function describe(product, id) {
  const { category, name, styles, attributes } = product;
  const words = pick(name) || id;
  const cost = product.price && price(product.price);
  return [
    productPicture(product, 600, words),
    el(
      'div',
      { class: 'product-words' },
      title(...unbroken(words)),
      cost && el('p', { class: 'product-price' }, cost),
      el(
        'dl',
        {},
        ...(category ? fact(t('product.category'), term('category', category)) : []),
        ...(styles?.length > 0 ? fact(t('product.styles'), styles.map((style) => term('label', style)).join(' · ')) : []),
        ...facts(attributes ?? {}),
        ...fact(t('product.number'), id),
      ),
    ),
  ];
}

function fill(id, ...children) {
  const dialog = byId('product');
  dialog.dataset.product = id;
  const focused = dialog.contains(document.activeElement);
  const close = el('button', { type: 'button', class: 'close', 'aria-label': t('product.close'), onclick: () => dialog.close() }, '×');
  dialog.replaceChildren(close, ...children.filter(Boolean));
  if (focused) close.focus();
}

// Only attributes with a name in the visitor's language: shops keep others for themselves, and "none" says nothing.
const facts = (attributes) =>
  Object.entries(attributes)
    .filter(([key, value]) => has(`attribute.${key}`) && (value !== 'none' || has(`${key}.none`)))
    .flatMap(([key, value]) => fact(t(`attribute.${key}`), term(key, value)));

const title = (...words) => el('h2', { id: 'product-name' }, ...words);

const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];
