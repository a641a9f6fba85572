// View of the search results: product cards, or the reason why there are none.

import { productLink } from './address.js';
import { LIMIT } from './config.js';
import { byId, el } from './dom.js';
import { currentLanguage, formatPrice, formatSize, hasText, t, term, withWordBreaks } from './i18n.js';
import { icon } from './icons.js';
import { drawPrivacy } from './privacy.js';
import { problemNotice } from './problems.js';
import { actionButton, productImage, productName } from './product-card.js';

/** Cards that have been made: hit → {key, node}. */
const cards = new WeakMap();

/** Shows placeholder cards during a search. `share` is the text of a download's progress, or null. */
export function showSearching(key, share = null) {
  showSection('results.waiting', share === null ? t(key) : t('results.loading', { share }));
  byId('results-body').replaceChildren(el('ol', { class: 'cards', 'aria-hidden': 'true' }, ...placeholders(LIMIT)));
}

/**
 * Content of the results.
 * @typedef {object} Results
 * @property {{product_id, score, product}[]} hits best first
 * @property {number|null} [floor] score below which a product is not similar
 * @property {'same'|'similar'|'none'} [confidence] relation of the best hit to the query; without it the floor decides
 * @property {boolean} hasMore true if there are more products
 * @property {boolean} loading true while more products are loaded
 * @property {Problem|null} problem the reason why no more products were loaded
 * @property {'similarity'|'price_up'|'price_down'} sort
 * @property {boolean} filtered true if filters restrict the search
 * @property {boolean} ofPhoto true if the photo is part of the query
 * @property {string|null} guess category that the service recognised in the photo
 */

/**
 * Shows the hits: similar ones first, then less similar ones. If none is similar, the hits are folded.
 * @param {Results} results
 * @param {{more: () => void, clearFilters: () => void}} actions
 */
export function showResults(results, actions) {
  const { hits, guess, ofPhoto, sort } = results;
  const valid = hits.filter(({ product_id, product }) => typeof product_id === 'string' && product);
  const { similar, others } = split(results, valid);
  const hasSimilar = similar.length > 0;
  const note = [t('results.count', { n: valid.length }), sort !== 'similarity' && t('results.sorted'), guess && t('results.guess', { category: term('category', guess) })];
  showSection(hasSimilar ? 'results.heading' : 'results.far', hasSimilar ? note.filter(Boolean).join(' · ') : '', ofPhoto);

  const grouped = hasSimilar && others.length > 0;
  const list = (group) => el('ol', { class: 'cards' }, ...sorted(group, sort).map((hit) => card(hit, grouped, results.confidence === 'same' && hit === hits[0])));
  const more = moreRow(results, actions.more);
  const [lists, last] = [[], [more].filter(Boolean)];
  if (hasSimilar) lists.push(list(similar));
  if (grouped) {
    lists.unshift(el('h3', { class: 'group-name' }, t('results.group_similar')));
    lists.push(el('h3', { class: 'group-name' }, t('results.group_others')), list(others));
  } else if (others.length > 0) {
    const open = byId('results-body').querySelector('.far')?.open ?? false;
    return byId('results-body').replaceChildren(...nothingClose(results, actions), el('details', { class: 'far', open }, el('summary', {}, t('results.show')), list(others), ...last));
  }
  byId('results-body').replaceChildren(...(hasSimilar ? lists : nothingClose(results, actions)), ...last);
}

/** Splits the hits into similar ones and others. */
function split({ floor, confidence }, hits) {
  const isNone = hits.length === 0 || (confidence ? confidence === 'none' : hits[0].score < (floor ?? -Infinity));
  if (isNone) return { similar: [], others: hits };
  const end = hits.findIndex(({ score }, i) => i > 0 && score < (floor ?? -Infinity));
  return end < 0 ? { similar: hits, others: [] } : { similar: hits.slice(0, end), others: hits.slice(end) };
}

/** Sorts hits by price within each currency, the most frequent currency first. Hits without a price are last. */
function sorted(hits, sort) {
  if (sort === 'similarity') return hits;
  const currencyOf = ({ product: { price } }) => (price && formatPrice(price) ? price.currency : '');
  const frequency = new Map();
  for (const hit of hits) frequency.set(currencyOf(hit), (frequency.get(currencyOf(hit)) ?? 0) + 1);
  const rank = (currency) => (currency === '' ? -1 : frequency.get(currency));
  const sign = sort === 'price_up' ? 1 : -1;
  return [...hits].sort((a, b) => {
    const [ofA, ofB] = [currencyOf(a), currencyOf(b)];
    if (ofA !== ofB) return rank(ofB) - rank(ofA) || (ofA < ofB ? -1 : 1);
    return ofA === '' ? 0 : sign * (a.product.price.amount - b.product.price.amount);
  });
}

/** Makes the sentence that nothing is similar, with the next step. */
function nothingClose({ filtered, ofPhoto }, { clearFilters }) {
  if (!filtered) return [el('p', { class: 'hint' }, t(ofPhoto ? 'results.none' : 'results.none_like'))];
  return [
    el('p', { class: 'hint' }, t('results.none_filtered')),
    el('button', { type: 'button', class: 'button', id: 'widen', onclick: clearFilters }, t('filter.clear')),
  ];
}

/** Makes the button that shows more products, or the reason why they did not come. */
function moreRow({ hasMore, loading, problem }, onclick) {
  if (loading) return el('ol', { class: 'cards more-placeholders', 'aria-hidden': 'true' }, ...placeholders(LIMIT / 2));
  if (problem) return el('div', { class: 'more-problem' }, problemNotice(problem, el('button', { type: 'button', class: 'button', id: 'more', onclick }, t('again'))));
  return hasMore && el('p', { class: 'more' }, el('button', { type: 'button', class: 'button', id: 'more', onclick }, t('results.more')));
}

const placeholders = (number) =>
  Array.from({ length: number }, () =>
    el('li', { class: 'card' }, el('span', { class: 'skeleton picture' }), el('span', { class: 'skeleton line' }), el('span', { class: 'skeleton line short' }), el('span', { class: 'skeleton line short' })));

/**
 * Lets the visitor choose between a download and an upload. Both are stated in bytes.
 * @param {{download: number, upload: number}} sizes
 * @param {() => void} download
 * @param {() => void} send
 */
export function showChoice(sizes, download, send) {
  showSection('choice.heading', '');
  const button = (id, onclick, key, size) => el('button', { type: 'button', class: 'button', id, onclick }, t(key, { size: formatSize(size) }));
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice', role: 'alert' },
      el('p', {}, t('choice.text')),
      el('div', { class: 'row' }, button('choose-download', download, 'choice.download', sizes.download), button('choose-send', send, 'choice.send', sizes.upload)),
    ),
  );
}

/**
 * Shows that this device could not prepare the photo, and lets the visitor decide whether to send it.
 * @param {boolean} incompleteShop true if the shop did not send the required data
 * @param {boolean} sendsFile true if the upload is the original file instead of a part of its picture
 * @param {() => void} retry
 * @param {() => void} sendPhoto
 */
export function showNotPrepared(incompleteShop, sendsFile, retry, sendPhoto) {
  showSection('results.failed', '');
  byId('results-body').replaceChildren(
    el(
      'div',
      { class: 'notice error', role: 'alert' },
      el('p', {}, t(incompleteShop ? 'results.incomplete' : 'results.unprepared')),
      sendsFile && el('p', {}, t('results.original')),
      el('button', { type: 'button', class: 'button', onclick: retry }, t('again')),
      ' ',
      el('button', { type: 'button', class: 'button quiet', id: 'send-photo', onclick: sendPhoto }, t('results.send')),
    ),
  );
}

/**
 * Shows a failed search with its reason and the next step.
 * @param {Problem} problem
 * @param {{ofPhoto: boolean, retry: () => void, clearFilters: (() => void)|null}} options `ofPhoto`: the photo is part of the query;
 *   `clearFilters` is a further step, if filters restrict the search
 */
export function showProblem(problem, { ofPhoto, retry, clearFilters }) {
  showSection('results.failed', '', ofPhoto);
  const again = el('button', { type: 'button', class: 'button', onclick: retry }, t('again'));
  const clear = clearFilters && el('button', { type: 'button', class: 'button quiet', id: 'widen', onclick: clearFilters }, t('filter.clear'));
  byId('results-body').replaceChildren(problemNotice(problem, again, clear && ' ', clear));
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

/** Returns the card of a hit. A card is made once per language, so that its image stays when more products follow. */
function card(hit, grouped, same) {
  const key = `${currentLanguage()} ${grouped} ${same}`;
  if (cards.get(hit)?.key !== key) cards.set(hit, { key, node: makeCard(hit, grouped, same) });
  return cards.get(hit).node;
}

function makeCard({ product_id, score, product: { id = product_id, ...rest } }, grouped, same) {
  const product = { id, ...rest };
  const price = product.price && formatPrice(product.price);
  const isAbsent = ['out_of_stock', 'preorder', 'backorder'].includes(product.availability);
  return el(
    'li',
    { class: 'card', 'data-product': product_id, 'data-score': score },
    productImage(product, 'card'),
    same && el('p', { class: 'badge' }, t('results.same')),
    product.brand && el('p', { class: 'card-brand' }, product.brand),
    el(grouped ? 'h4' : 'h3', { class: 'card-name' }, el('a', { href: productLink(product_id), class: 'card-link' }, ...withWordBreaks(productName(product)))),
    price && el('p', { class: 'card-price' }, price),
    el('p', { class: 'card-category' }, term('category', product.category)),
    isAbsent && hasText(`availability.${product.availability}`) && el('p', { class: 'card-stock' }, t(`availability.${product.availability}`)),
    el(
      'div',
      { class: 'card-actions' },
      actionButton('like', product, { class: 'card-like' }),
      actionButton('unlike', product, { class: 'icon-button' }, icon('unlike')),
      actionButton('compare', product, { class: 'icon-button' }, icon('compare')),
    ),
  );
}

function showSection(heading, note, privacy = false) {
  byId('results').hidden = false;
  byId('results-heading').textContent = t(heading);
  byId('results-note').replaceChildren(note, privacy && note ? ' · ' : '', ...(privacy ? [el('span', { id: 'results-privacy' })] : []));
  drawPrivacy();
  setStale(false);
}
