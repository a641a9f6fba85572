// The products found, as cards; or why there are none.

import { picture } from './api.js';
import { LIMIT } from './config.js';
import { byId, el } from './dom.js';
import { current, pick, price, t, term, unbroken } from './i18n.js';
import { drawPrivacy } from './privacy.js';

/** Codes the page has its own words for; others show the service's detail alone. */
const KNOWN = new Set([
  'not_an_image', 'unsupported_image', 'image_truncated', 'image_too_large', 'payload_too_large', 'invalid_crop',
  'unknown_category', 'not_found', 'wrong_model', 'overloaded', 'shutting_down', 'deadline_exceeded', 'internal',
  'unreachable', 'timeout', 'unexpected',
]);

/** Grey cards while the device prepares the search or the shop looks. `share` of a download that this waits for, or null. */
export function showSearching(key, share = null) {
  open('results.waiting', share === null ? t(key) : t('results.loading', { share }));
  const card = () => el('li', { class: 'card' }, el('span', { class: 'skeleton picture' }), el('span', { class: 'skeleton line' }), el('span', { class: 'skeleton line short' }));
  byId('results-body').replaceChildren(el('ol', { class: 'cards', 'aria-hidden': 'true' }, ...Array.from({ length: LIMIT }, card)));
}

/**
 * The hits, best first. Where the best is below the score that the shop calls its floor, nothing is close, and the hits
 * are folded away.
 * @param {{hits: {product_id, score, product}[], floor?: number|null}} answer
 */
export function showHits({ hits, floor }) {
  const cards = hits.map(card).filter(Boolean);
  const close = cards.length > 0 && !(hits[0].score < (floor ?? -Infinity));
  const count = t(cards.length === 1 ? 'results.one' : 'results.many', { n: cards.length });
  open(close ? 'results.heading' : 'results.far', close ? count : '', true);
  const list = el('ol', { class: 'cards' }, ...cards);
  if (close) return byId('results-body').replaceChildren(list);
  const folded = cards.length > 0 && el('details', { class: 'far' }, el('summary', {}, t('results.anyway')), list);
  byId('results-body').replaceChildren(...[el('p', { class: 'hint' }, t('results.none')), folded].filter(Boolean));
}

/**
 * The photo could not be prepared on this device: the visitor decides whether to send it.
 * @param {boolean} shop true where the shop did not give what it takes
 */
export function showUndescribed(shop, again, send) {
  open('results.failed', '');
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, t(shop ? 'results.unequipped' : 'results.undescribed')),
      el('button', { type: 'button', class: 'button', onclick: again }, t('again')),
      ' ',
      el('button', { type: 'button', class: 'button quiet', id: 'send-photo', onclick: send }, t('results.send')),
    ),
  );
}

/** A failed search: what happened, what to do, and a button that does it. */
export function showProblem(problem, again) {
  open('results.failed', '', true);
  // The service's own words are English.
  const detail = problem.message && problem.status >= 400 && (current() === 'en' || !KNOWN.has(problem.code)) && problem.message;
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, problemWords(problem)),
      detail && el('p', { class: 'detail' }, t('problem.detail'), el('span', { lang: 'en' }, detail)),
      el('button', { type: 'button', class: 'button', onclick: again }, t('again')),
    ),
  );
}

/** No results yet, or none any more. */
export function hideResults() {
  byId('results').hidden = true;
  byId('results-body').replaceChildren();
  drawStale(false);
}

/** Says, or takes back, that the results are of another area or category than the one chosen now. */
export function drawStale(stale) {
  byId('results').classList.toggle('stale', stale);
  byId('results-stale').hidden = !stale;
}

/** A failure in the visitor's language: what to do comes with it. */
export function problemWords({ code, retryAfter }) {
  const words = t(KNOWN.has(code) ? `problem.${code}` : 'problem.other');
  return retryAfter ? `${words} ${t('problem.wait', { n: retryAfter })}` : words;
}

/** A product's picture; where it does not load, the tile says so. */
export function productPicture(product, size, alt = '') {
  const frame = el('div', { class: 'picture' });
  const absent = () => frame.replaceChildren(el('span', { class: 'absent' }, t('product.no_picture')));
  if (typeof product.image === 'string') frame.append(el('img', { src: picture(product.image), alt, loading: 'lazy', decoding: 'async', width: size, height: size, onerror: absent }));
  else absent();
  return frame;
}

/** A hit's card; null for a hit that is not one, which costs only itself. */
function card({ product_id, score, product }) {
  if (typeof product_id !== 'string' || !product) return null;
  const cost = product.price && price(product.price);
  return el(
    'li',
    { class: 'card', 'data-product': product_id, 'data-score': score },
    productPicture(product, 300),
    el('h3', { class: 'card-name' }, el('a', { href: `#product=${encodeURIComponent(product_id)}`, class: 'card-link' }, ...unbroken(pick(product.name) || product_id))),
    cost && el('p', { class: 'card-price' }, cost),
    el('p', { class: 'card-category' }, term('category', product.category)),
  );
}

function open(heading, words, privacy = false) {
  byId('results').hidden = false;
  byId('results-heading').textContent = t(heading);
  byId('results-note').replaceChildren(words, privacy && words ? ' · ' : '', ...(privacy ? [el('span', { id: 'results-privacy' })] : []));
  drawPrivacy();
  drawStale(false);
}
