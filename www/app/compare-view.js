// Comparison of two products side by side. The bar at the bottom of the page collects them. The URL of a comparison is
// `#compare=ID&compare=ID`, so it can be saved and shared, and the Back button closes it.

import { addDialog, compareLink, openLink, productLink } from './address.js';
import { fetchProduct } from './api.js';
import { announce, byId, el } from './dom.js';
import { formatPrice, t, withWordBreaks } from './i18n.js';
import { actionButton, productActions, productImage, productName } from './product-card.js';
import { productRows } from './product-view.js';
import { problemNotice } from './problems.js';

/** Number of products in a comparison. */
const PAIR = 2;

let chosen = []; // the product that waits for a second one
let openIds = null; // ids of the open comparison
let drawDialog = () => {};

/** Connects the dialog to the URL and to the buttons of the products. */
export function watchCompare() {
  addDialog(byId('compare'), readPair, openPair, () => (openIds = null));
  productActions.addEventListener('compare', ({ detail }) => choose(detail));
}

/** Draws the bar and the open comparison again, in the current language. */
export function drawCompare() {
  drawBar();
  if (openIds) drawDialog();
}

function readPair(params) {
  const ids = params.getAll('compare').filter(Boolean);
  return ids.length >= PAIR ? ids.slice(0, PAIR) : null;
}

/** Adds a product. A product that is chosen again is removed. With the second product the comparison opens. */
function choose(product) {
  const isChosen = chosen.some(({ id }) => id === product.id);
  chosen = isChosen ? [] : [...chosen, product];
  const pair = chosen.map(({ id }) => id);
  if (pair.length === PAIR) chosen = [];
  drawBar();
  if (pair.length === PAIR) return openLink(compareLink(pair));
  byId('product').close(); // the second product is chosen among the results
  if (!isChosen) announce(t('compare.one', { name: productName(product) }));
}

function drawBar() {
  const bar = byId('compare-bar');
  bar.hidden = chosen.length === 0;
  for (const button of document.querySelectorAll('.card [data-action=compare]')) {
    button.setAttribute('aria-pressed', String(chosen.some(({ id }) => id === button.closest('.card').dataset.product)));
  }
  if (bar.hidden) return bar.replaceChildren();
  const [product] = chosen;
  const cancel = () => {
    chosen = [];
    drawBar();
    byId('results-heading').focus({ preventScroll: true });
  };
  bar.replaceChildren(
    productImage(product, 'chip'),
    el('p', {}, t('compare.one', { name: productName(product) })),
    el('button', { type: 'button', class: 'button', onclick: cancel }, t('compare.cancel')),
  );
}

async function openPair(ids) {
  if (openIds && ids.every((id, i) => id === openIds[i])) return;
  openIds = ids;
  show(() => fill(el('p', { class: 'hint' }, t('product.loading'))));
  if (!byId('compare').open) byId('compare').showModal();
  try {
    const products = await Promise.all(ids.map((id) => fetchProduct(id)));
    if (openIds === ids) show(() => fill(table(products.map((product, i) => ({ ...product, id: ids[i] })))));
  } catch (error) {
    if (openIds === ids) show(() => fill(failure(error, ids)));
  }
}

function show(draw) {
  drawDialog = draw;
  draw();
}

function failure(error, ids) {
  const again = () => {
    openIds = null;
    openPair([...ids]);
  };
  return problemNotice(error, error.code !== 'not_found' && el('button', { type: 'button', class: 'button', onclick: again }, t('again')));
}

function fill(content) {
  const dialog = byId('compare');
  const focused = dialog.contains(document.activeElement);
  const close = el('button', { type: 'button', class: 'close', 'aria-label': t('product.close'), onclick: () => dialog.close() }, '×');
  dialog.replaceChildren(close, el('h2', { id: 'compare-heading' }, t('compare.heading')), content);
  if (focused) close.focus();
}

/** Makes the table: a column per product, a row per property. Rows that differ are marked. */
function table(products) {
  const rows = products.map((product) => new Map([[t('product.price'), (product.price && formatPrice(product.price)) ?? ''], ...productRows(product)]));
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].filter((name) => rows.some((row) => row.get(name)));
  const head = products.map((product) =>
    el(
      'th',
      { scope: 'col', role: 'columnheader' },
      productImage(product, 'half'),
      el('a', { href: productLink(product.id), class: 'compare-name' }, ...withWordBreaks(productName(product))),
    ),
  );
  const body = names.map((name) => {
    const values = rows.map((row) => row.get(name));
    const differs = name !== t('product.number') && values[0] !== values[1];
    return el(
      'tr',
      { role: 'row', class: differs ? 'differs' : '' },
      el('th', { scope: 'row', role: 'rowheader' }, name, differs && el('span', { class: 'visually-hidden' }, t('compare.differs'))),
      ...values.map((value) => el('td', { role: 'cell' }, value || el('span', {}, el('span', { 'aria-hidden': 'true' }, '–'), el('span', { class: 'visually-hidden' }, t('compare.absent'))))),
    );
  });
  const actions = el('tr', { role: 'row', class: 'compare-actions' }, el('th', { scope: 'row', role: 'rowheader' }, el('span', { class: 'visually-hidden' }, t('compare.actions'))),
    ...products.map((product) => el('td', { role: 'cell' }, actionButton('like', product, { class: 'button' }))));
  // The roles keep the table's meaning where the style sheet lays its rows out as a grid.
  return el(
    'table',
    { role: 'table', 'aria-labelledby': 'compare-heading' },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, el('td', { role: 'cell' }), ...head)),
    el('tbody', { role: 'rowgroup' }, ...body, actions),
  );
}
