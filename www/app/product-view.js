// Product dialog. The URL of a product is `#product=ID`. Such a link can be opened in a new tab, saved and shared, and
// the Back button closes the dialog.

import { addDialog } from './address.js';
import { fetchProduct } from './api.js';
import { BASE } from './config.js';
import { byId, el } from './dom.js';
import { formatPrice, hasText, t, term, withWordBreaks } from './i18n.js';
import { fieldName, isShownAttribute, valueName } from './names.js';
import { actionButton, productImage, productName } from './product-card.js';
import { problemNotice } from './problems.js';

let openId = null; // id of the open product
let draw = () => {};

/** Connects the dialog to the URL. */
export function watchProduct() {
  addDialog(byId('product'), (params) => params.get('product') || null, openProduct, () => (openId = null));
}

/** Draws the open product again, in the current language. */
export function drawProduct() {
  if (openId !== null) draw();
}

async function openProduct(id) {
  if (id === openId) return;
  openId = id;
  show(() => fillDialog(id, el('span', { class: 'skeleton picture' }), el('div', { class: 'product-words' }, heading(t('product.loading')))));
  if (!byId('product').open) byId('product').showModal();
  try {
    const product = await fetchProduct(id);
    if (openId === id) show(() => fillDialog(id, ...describe(product, id)));
  } catch (error) {
    if (openId !== id) return; // another product has been opened in the meantime
    const again = () => {
      openId = null;
      openProduct(id);
    };
    const notice = () => problemNotice(error, error.code !== 'not_found' && el('button', { type: 'button', class: 'button', onclick: again }, t('again')));
    show(() => fillDialog(id, null, el('div', { class: 'product-words' }, heading(t('product.failed')), notice())));
  }
}

function show(newDraw) {
  draw = newDraw;
  draw();
}

function describe(product, id) {
  const name = productName({ ...product, id });
  const price = product.price && formatPrice(product.price);
  const url = shopUrl(product.url);
  return [
    productImage(product, 'dialog', name),
    el(
      'div',
      { class: 'product-words' },
      heading(...withWordBreaks(name)),
      price && el('p', { class: 'product-price' }, price),
      el('dl', {}, ...productRows({ ...product, id }).flatMap(([label, value]) => [el('dt', {}, label), el('dd', {}, value)])),
      el(
        'div',
        { class: 'product-actions' },
        url && el('a', { class: 'button primary', href: url, rel: 'noopener' }, t('product.open')),
        ...['like', 'unlike', 'compare'].map((action) => actionButton(action, { ...product, id }, { class: 'button' })),
      ),
    ),
  ];
}

/** Returns the address of the product's page in the shop, or null if there is none. Only web addresses are links. */
function shopUrl(text) {
  try {
    const url = new URL(text, BASE);
    return typeof text === 'string' && text !== '' && /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Returns the names and values of a product's properties in the shown language, without name and price. */
export function productRows({ id, brand, category, styles, availability, attributes }) {
  const stock = hasText(`availability.${availability}`);
  return [
    brand && [t('product.brand'), brand],
    category && [t('product.category'), term('category', category)],
    stock && [t('product.availability'), t(`availability.${availability}`)],
    styles?.length > 0 && [t('product.styles'), styles.map((style) => term('label', style)).join(' · ')],
    ...attributeRows(attributes ?? {}),
    [t('product.number'), id],
  ].filter(Boolean);
}

function fillDialog(id, ...children) {
  const dialog = byId('product');
  dialog.dataset.product = id;
  const focused = dialog.contains(document.activeElement);
  const close = el('button', { type: 'button', class: 'close', 'aria-label': t('product.close'), onclick: () => dialog.close() }, '×');
  dialog.replaceChildren(close, ...children.filter(Boolean));
  if (focused) close.focus();
}

// The value `none` is shown only if it has a text.
const attributeRows = (attributes) =>
  Object.entries(attributes)
    .filter(([name, value]) => isShownAttribute(name) && (value !== 'none' || hasText(`${name}.none`)))
    .map(([name, value]) => [fieldName(`attributes.${name}`), valueName(`attributes.${name}`, value)]);

const heading = (...children) => el('h2', { id: 'product-name' }, ...children);
