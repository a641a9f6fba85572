// Product dialog. The URL of a product is `#product=ID`. Such a link can be opened in a new tab, saved and shared, and
// the Back button closes the dialog.

import { fetchProduct } from './api.js';
import { byId, el } from './dom.js';
import { formatPrice, hasText, localised, t, term, withWordBreaks } from './i18n.js';
import { problemText, productImage } from './results-view.js';

let openId = null; // id of the open product
let hasOwnEntry = false; // true if the history entry before the product is this page
let draw = () => {};

/** Opens the product in the URL, now and whenever the URL changes. */
export function watchAddress() {
  const dialog = byId('product');
  dialog.addEventListener('close', () => {
    if (idInAddress() === null) return; // closed by the Back button
    if (hasOwnEntry) history.back();
    else history.replaceState(null, '', location.pathname + location.search);
    openId = null;
  });
  // A click on the backdrop is a click on the dialog itself.
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  addEventListener('hashchange', () => {
    hasOwnEntry = true;
    followAddress();
  });
  followAddress();
}

/** Draws the open product again, in the current language. */
export function drawProduct() {
  if (openId !== null) draw();
}

function followAddress() {
  const id = idInAddress();
  if (id !== null) return openProduct(id);
  openId = null;
  byId('product').close();
}

/** Returns the product id in the URL, or null. */
function idInAddress() {
  const [, id] = /^#product=(.+)$/.exec(location.hash) ?? [];
  try {
    return id === undefined ? null : decodeURIComponent(id);
  } catch {
    return id; // not encoded by this page: used as it is
  }
}

async function openProduct(id) {
  openId = id;
  show(() => fillDialog(id, el('span', { class: 'skeleton picture' }), el('div', { class: 'product-words' }, heading(t('product.loading')))));
  if (!byId('product').open) byId('product').showModal();
  try {
    const product = await fetchProduct(id);
    if (openId === id) show(() => fillDialog(id, ...describe(product, id)));
  } catch (error) {
    if (openId !== id) return; // another product has been opened in the meantime
    const notice = () => el('p', { class: 'notice error', role: 'alert' }, problemText(error));
    show(() => fillDialog(id, null, el('div', { class: 'product-words' }, heading(t('product.failed')), notice())));
  }
}

function show(newDraw) {
  draw = newDraw;
  draw();
}

function describe(product, id) {
  const { category, styles, attributes } = product;
  const name = localised(product.name) || id;
  const price = product.price && formatPrice(product.price);
  return [
    productImage(product, 600, name),
    el(
      'div',
      { class: 'product-words' },
      heading(...withWordBreaks(name)),
      price && el('p', { class: 'product-price' }, price),
      el(
        'dl',
        {},
        ...(category ? row(t('product.category'), term('category', category)) : []),
        ...(styles?.length > 0 ? row(t('product.styles'), styles.map((style) => term('label', style)).join(' · ')) : []),
        ...attributeRows(attributes ?? {}),
        ...row(t('product.number'), id),
      ),
    ),
  ];
}

function fillDialog(id, ...children) {
  const dialog = byId('product');
  dialog.dataset.product = id;
  const focused = dialog.contains(document.activeElement);
  const close = el('button', { type: 'button', class: 'close', 'aria-label': t('product.close'), onclick: () => dialog.close() }, '×');
  dialog.replaceChildren(close, ...children.filter(Boolean));
  if (focused) close.focus();
}

// Shows only attributes that have a text. Shops may have others for their own use. The value `none` is shown only if it
// has a text, too.
const attributeRows = (attributes) =>
  Object.entries(attributes)
    .filter(([key, value]) => hasText(`attribute.${key}`) && (value !== 'none' || hasText(`${key}.none`)))
    .flatMap(([key, value]) => row(t(`attribute.${key}`), term(key, value)));

const heading = (...children) => el('h2', { id: 'product-name' }, ...children);

const row = (name, value) => [el('dt', {}, name), el('dd', {}, value)];
