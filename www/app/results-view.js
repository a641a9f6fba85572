// View of the search results: product cards, or the reason why there are none.

import { imageUrl } from './api.js';
import { LIMIT } from './config.js';
import { byId, el } from './dom.js';
import { currentLanguage, formatPrice, joinSentences, localised, t, term, withWordBreaks } from './i18n.js';
import { drawPrivacy } from './privacy.js';

/** Problem codes that have a text. For other codes the page shows the detail of the service. */
const KNOWN_CODES = new Set([
  'not_an_image', 'unsupported_image', 'image_truncated', 'image_too_large', 'payload_too_large', 'invalid_crop',
  'unknown_category', 'not_found', 'wrong_model', 'overloaded', 'shutting_down', 'deadline_exceeded', 'internal',
  'unreachable', 'timeout', 'unexpected',
]);

/** Shows placeholder cards during a search. `share` is the text of a download's progress, or null. */
export function showSearching(key, share = null) {
  showSection('results.waiting', share === null ? t(key) : t('results.loading', { share }));
  const card = () => el('li', { class: 'card' }, el('span', { class: 'skeleton picture' }), el('span', { class: 'skeleton line' }), el('span', { class: 'skeleton line short' }));
  byId('results-body').replaceChildren(el('ol', { class: 'cards', 'aria-hidden': 'true' }, ...Array.from({ length: LIMIT }, card)));
}

/**
 * Shows the hits, best first. If the best score is below the shop's `floor`, no product is similar, and the hits are folded.
 * @param {{hits: {product_id, score, product}[], floor?: number|null}} answer
 */
export function showHits({ hits, floor }) {
  const cards = hits.map(card).filter(Boolean);
  const hasSimilar = cards.length > 0 && !(hits[0].score < (floor ?? -Infinity));
  const count = t(cards.length === 1 ? 'results.one' : 'results.many', { n: cards.length });
  showSection(hasSimilar ? 'results.heading' : 'results.far', hasSimilar ? count : '', true);
  const list = el('ol', { class: 'cards' }, ...cards);
  if (hasSimilar) return byId('results-body').replaceChildren(list);
  const folded = cards.length > 0 && el('details', { class: 'far' }, el('summary', {}, t('results.show')), list);
  byId('results-body').replaceChildren(...[el('p', { class: 'hint' }, t('results.none')), folded].filter(Boolean));
}

/**
 * Shows that this device could not prepare the photo, and lets the visitor decide whether to send it.
 * @param {boolean} incompleteShop true if the shop did not send the required data
 * @param {() => void} retry
 * @param {() => void} sendPhoto
 */
export function showNotPrepared(incompleteShop, retry, sendPhoto) {
  showSection('results.failed', '');
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, t(incompleteShop ? 'results.incomplete' : 'results.unprepared')),
      el('button', { type: 'button', class: 'button', onclick: retry }, t('again')),
      ' ',
      el('button', { type: 'button', class: 'button quiet', id: 'send-photo', onclick: sendPhoto }, t('results.send')),
    ),
  );
}

/** Shows a failed search with its reason and a button to try again. */
export function showProblem(problem, retry) {
  showSection('results.failed', '', true);
  // The details of the service are in English.
  const detail = problem.message && problem.status >= 400 && (currentLanguage() === 'en' || !KNOWN_CODES.has(problem.code)) && problem.message;
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, problemText(problem)),
      detail && el('p', { class: 'detail' }, t('problem.detail'), el('span', { lang: 'en' }, detail)),
      el('button', { type: 'button', class: 'button', onclick: retry }, t('again')),
    ),
  );
}

/** Hides the results. */
export function hideResults() {
  byId('results').hidden = true;
  byId('results-body').replaceChildren();
  setStale(false);
}

/** Shows or hides the notice that the results are for a different area or category. */
export function setStale(stale) {
  byId('results').classList.toggle('stale', stale);
  byId('results-stale').hidden = !stale;
}

/** Returns the text of a problem in the current language, with advice. */
export function problemText({ code, retryAfter }) {
  const text = t(KNOWN_CODES.has(code) ? `problem.${code}` : 'problem.other');
  return retryAfter ? joinSentences([text, t('problem.wait', { n: retryAfter })]) : text;
}

/** Makes the image of a product, or a placeholder if the image is missing or does not load. */
export function productImage(product, size, alt = '') {
  const frame = el('div', { class: 'picture' });
  const showPlaceholder = () => frame.replaceChildren(el('span', { class: 'absent' }, t('product.no_image')));
  if (typeof product.image === 'string') {
    frame.append(el('img', { src: imageUrl(product.image), alt, loading: 'lazy', decoding: 'async', width: size, height: size, onerror: showPlaceholder }));
  } else showPlaceholder();
  return frame;
}

/** Makes the card of a hit. Returns null for an invalid hit, so that the other hits are still shown. */
function card({ product_id, score, product }) {
  if (typeof product_id !== 'string' || !product) return null;
  const price = product.price && formatPrice(product.price);
  const name = withWordBreaks(localised(product.name) || product_id);
  return el(
    'li',
    { class: 'card', 'data-product': product_id, 'data-score': score },
    productImage(product, 300),
    el('h3', { class: 'card-name' }, el('a', { href: `#product=${encodeURIComponent(product_id)}`, class: 'card-link' }, ...name)),
    price && el('p', { class: 'card-price' }, price),
    el('p', { class: 'card-category' }, term('category', product.category)),
  );
}

function showSection(heading, note, privacy = false) {
  byId('results').hidden = false;
  byId('results-heading').textContent = t(heading);
  byId('results-note').replaceChildren(note, privacy && note ? ' · ' : '', ...(privacy ? [el('span', { id: 'results-privacy' })] : []));
  drawPrivacy();
  setStale(false);
}
