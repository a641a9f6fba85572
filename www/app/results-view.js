// The products found, as cards; or why there are none.

import { picture } from './api.js';
import { LIMIT } from './config.js';
import { byId, el } from './dom.js';
import { current, pick, price, t, term } from './i18n.js';

/** Codes the page has its own words for; others show the service's detail alone. */
const KNOWN = new Set([
  'not_an_image', 'image_truncated', 'image_too_large', 'payload_too_large', 'invalid_crop', 'unknown_category', 'not_found',
  'wrong_model', 'overloaded', 'shutting_down', 'internal', 'unreachable', 'timeout', 'unexpected',
]);

/** Grey cards while the device describes the photo or the shop looks. */
export function showSearching(words) {
  open(words);
  const card = () => el('li', { class: 'card' }, el('span', { class: 'skeleton picture' }), el('span', { class: 'skeleton line' }), el('span', { class: 'skeleton line short' }));
  byId('results-body').replaceChildren(el('ol', { class: 'cards', 'aria-hidden': 'true' }, ...Array.from({ length: LIMIT }, card)));
}

/**
 * The hits, best first.
 * @param {{hits: {product_id, score, product}[], took_ms: number}} answer
 * @param {{stayed: boolean, choose: (id: string) => void}} how `stayed`: the photo was not sent
 */
export function showHits({ hits, took_ms }, { stayed, choose }) {
  const note = t('results.note', { n: hits.length, ms: Math.max(1, Math.round(took_ms)) });
  open(hits.length > 0 ? `${note} · ${t(stayed ? 'results.stayed' : 'results.sent')}` : '');
  const body = hits.length > 0 ? el('ol', { class: 'cards' }, ...hits.map((hit) => card(hit, choose))) : el('p', { class: 'hint' }, t('results.none'));
  byId('results-body').replaceChildren(body);
}

/** The photo could not be described on this device: the visitor decides whether to send it. */
export function showUndescribed(again, send) {
  open('');
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, t('results.undescribed')),
      el('button', { type: 'button', class: 'button', onclick: again }, t('again')),
      ' ',
      el('button', { type: 'button', class: 'button quiet', id: 'send-photo', onclick: send }, t('results.send')),
    ),
  );
}

/** A failed search: what happened, what to do, and a button that does it. */
export function showProblem(problem, again) {
  open('');
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, problemWords(problem)),
      problem.status >= 400 && problem.message && el('p', { class: 'detail' }, t('problem.detail', { detail: problem.message })),
      el('button', { type: 'button', class: 'button', onclick: again }, t('again')),
    ),
  );
}

/** No results yet, or none any more. */
export function hideResults() {
  byId('results').hidden = true;
  byId('results-body').replaceChildren();
}

/** A failure in the visitor's language: what to do comes with it. */
export function problemWords({ code, retryAfter }) {
  const words = t(KNOWN.has(code) ? `problem.${code}` : 'problem.other');
  return retryAfter ? `${words} ${t('problem.wait', { n: retryAfter })}` : words;
}

function card({ product_id, score, product }, choose) {
  const name = pick(product.name);
  const image = el('img', { src: picture(product.image), alt: '', loading: 'lazy', decoding: 'async', width: 300, height: 300 });
  const link = el('a', { href: `#product=${encodeURIComponent(product_id)}`, class: 'card-link' }, name);
  link.addEventListener('click', (event) => {
    event.preventDefault();
    choose(product_id);
  });
  return el(
    'li',
    { class: 'card', 'data-product': product_id },
    el('div', { class: 'picture' }, image),
    el('h3', { class: 'card-name' }, link),
    product.price && el('p', { class: 'card-price' }, price(product.price)),
    el('p', { class: 'card-score' }, `${term('category', product.category)} · ${t('results.score', { score: decimal(score) })}`),
  );
}

const decimal = (score) => new Intl.NumberFormat(current(), { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(score);

function open(words) {
  byId('results').hidden = false;
  byId('results-note').textContent = words;
}
