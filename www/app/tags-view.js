// The style panel: waiting, loading, the answer, or why there is none.

import { byId, el } from './dom.js';
import { list, percent, t, term, unbroken } from './i18n.js';

/** Styles named at most. */
const NAMED = 3;

/** Before the first photo. */
export function showEmpty() {
  replace(el('p', { class: 'hint' }, t('style.empty')));
}

/** While the photo is opened or read. */
export function showBusy(key) {
  waiting(t(key));
}

/** While the model comes; `share` of it is here, 0..=1. */
export function showLoading(share) {
  waiting(t('style.loading', { share: percent(share) }), el('progress', { max: 1, value: share, 'aria-label': t('style.progress') }));
}

/** Why there are no tags, and a button to try again. */
export function showFailure(code, again) {
  const known = ['unreachable', 'unexpected', 'corrupt', 'timeout', 'renewed', 'pixels_hidden'].includes(code) ? code : 'other';
  replace(
    el('div', { class: 'notice error', role: 'alert' }, el('p', {}, t(`style.failed.${known}`)), el('button', { type: 'button', class: 'button', onclick: again }, t('again'))),
  );
}

/**
 * The answer: the styles that are sure enough to be named, and all readings on request.
 * @param {{tags: {id, prob, threshold, precise?, on}[], backend: string, ms: number, fellBack: boolean, part: boolean}} reading `part`: of
 *   the marked area alone
 * @param {boolean} stale the area has changed, and its own reading is on the way
 */
export function showTags({ tags, backend, ms, fellBack, part }, stale = false) {
  const open = byId('tags').querySelector('details')?.open ?? false;
  const named = new Set(sure(tags));
  const rows = [...tags].sort((a, b) => b.prob - a.prob).map((tag) => row(tag, named.has(tag)));
  const scope = stale ? 'style.stale' : part && 'style.part';
  replace(
    el('p', { class: 'verdict' }, ...unbroken(verdict(tags))),
    scope && el('p', { class: 'hint', id: 'style-scope' }, t(scope)),
    el(
      'details',
      { open },
      el('summary', {}, t('style.all')),
      el('ul', { class: 'tag-list' }, ...rows),
      el('p', { class: 'hint', id: 'reading-note' }, note({ backend, ms, fellBack })),
    ),
  );
  byId('tags').classList.toggle('stale', stale);
}

/** The answer in a sentence, for the page and for the live region. */
export function verdict(tags) {
  const named = sure(tags).map((tag) => term('label', tag.id));
  if (named.length > 0) return list(named);
  const [closest] = [...tags].sort((a, b) => b.prob - a.prob);
  return closest ? t('style.none', { closest: term('label', closest.id) }) : t('style.nothing');
}

/**
 * The tags worth naming, most probable first. A bundle may state thresholds for that (`precise`: a label that is named is
 * mostly right; null: none is that good). Without any, the ordinary thresholds serve, which rather find too much.
 */
function sure(tags) {
  const stated = tags.some(({ precise }) => Number.isFinite(precise));
  const passes = ({ prob, precise, on }) => (stated ? Number.isFinite(precise) && prob >= precise : on);
  return tags.filter(passes).sort((a, b) => b.prob - a.prob).slice(0, NAMED);
}

function note({ backend, ms, fellBack }) {
  const time = ms < 1000 ? t('ms', { n: Math.max(1, Math.round(ms)) }) : t('seconds', { n: (ms / 1000).toFixed(1) });
  const ran = t('style.note', { backend: t(`backend.${backend}`), time });
  return fellBack ? `${ran} ${t('style.fellback')}` : ran;
}

function row({ id, prob, threshold, precise, on }, named) {
  const limit = Number.isFinite(precise) ? precise : threshold;
  const meter = el('span', { class: 'bar', 'aria-hidden': 'true' }, el('span', { class: 'fill' }), el('span', { class: 'mark' }));
  meter.style.setProperty('--prob', prob);
  meter.style.setProperty('--threshold', limit);
  return el(
    'li',
    { class: named ? 'tag named' : 'tag', 'data-id': id, 'data-prob': prob, 'data-on': String(on) },
    el('span', { class: 'tag-name' }, term('label', id)),
    el('span', { class: 'tag-prob' }, percent(prob)),
    meter,
    el('span', { class: 'visually-hidden' }, t(prob >= limit ? 'style.above' : 'style.below', { threshold: percent(limit) })),
  );
}

function waiting(words, bar = null) {
  replace(el('p', { class: 'hint' }, words), bar, el('div', { class: 'bars', 'aria-hidden': 'true' }, ...Array.from({ length: 3 }, () => el('span', { class: 'skeleton line' }))));
}

function replace(...children) {
  byId('tags').classList.remove('stale');
  byId('tags').replaceChildren(...children.filter(Boolean));
}
