// The style panel: waiting, loading, the answer, or why there is none.

import { byId, el } from './dom.js';
import { list, percent, t, term } from './i18n.js';

/** Styles named in the sentence; thresholds favour finding a style over missing it, so more may be tagged. */
const NAMED = 3;

/** Labels listed before the rest folds away. */
const LISTED = 6;

/** Before the first photo. */
export function showEmpty() {
  replace(el('p', { class: 'hint' }, t('style.empty')));
}

/** While the model comes or the photo is read. `share` is 0..=1, or null where nobody knows. */
export function showBusy(share) {
  const words = share === null ? t('style.reading') : t('style.loading', { share: percent(share) });
  const bar = share === null ? null : el('progress', { max: 1, value: share, 'aria-label': t('style.progress') });
  replace(el('p', { class: 'hint' }, words), bar, el('div', { class: 'bars', 'aria-hidden': 'true' }, ...Array.from({ length: 5 }, () => el('span', { class: 'skeleton line' }))));
}

/** Why there are no tags, and a button to try again. */
export function showFailure(code, again) {
  const known = ['unreachable', 'unexpected', 'corrupt', 'timeout', 'renewed', 'pixels_hidden'].includes(code) ? code : 'other';
  replace(
    el('div', { class: 'notice error', role: 'alert' }, el('p', {}, t(`style.failed.${known}`)), el('button', { type: 'button', class: 'button', onclick: again }, t('again'))),
  );
}

/**
 * The answer.
 * @param {{tags: {id, prob, threshold, on}[], backend: string, ms: number, fellBack: boolean}} reading most probable first
 */
export function showTags({ tags, backend, ms, fellBack }) {
  // Each label has its own threshold, so a tag may be less probable than a label that is none.
  const on = tags.filter((tag) => tag.on);
  const rows = [...on, ...tags.filter((tag) => !tag.on)];
  const listed = Math.max(LISTED, on.length);
  const rest = rows.slice(listed);
  replace(
    el('p', { class: 'verdict' }, verdict(tags)),
    el('ul', { class: 'tag-list' }, ...rows.slice(0, listed).map(row)),
    rest.length > 0 && el('details', {}, el('summary', {}, t('style.rest', { n: rest.length })), el('ul', { class: 'tag-list' }, ...rest.map(row))),
    el('p', { class: 'hint', id: 'reading-note' }, note({ backend, ms, fellBack })),
  );
}

/** The answer in a sentence, for the page and for the live region. */
export function verdict(tags) {
  const on = tags.filter((tag) => tag.on).map((tag) => term('label', tag.id));
  if (on.length > 0) return list(on.slice(0, NAMED));
  return t('style.none', { closest: tags.length > 0 ? term('label', tags[0].id) : '' });
}

function note({ backend, ms, fellBack }) {
  const time = ms < 1000 ? t('ms', { n: Math.max(1, Math.round(ms)) }) : t('seconds', { n: (ms / 1000).toFixed(1) });
  const ran = t('style.note', { backend: t(`backend.${backend}`), time });
  return fellBack ? `${ran} ${t('style.fellback')}` : ran;
}

function row({ id, prob, threshold, on }) {
  const meter = el('span', { class: 'bar', 'aria-hidden': 'true' }, el('span', { class: 'fill' }), el('span', { class: 'mark' }));
  meter.style.setProperty('--prob', prob);
  meter.style.setProperty('--threshold', threshold);
  return el(
    'li',
    { class: on ? 'tag on' : 'tag', 'data-id': id, 'data-prob': prob },
    el('span', { class: 'tag-name' }, term('label', id)),
    el('span', { class: 'tag-state' }, on ? t('style.on') : ''),
    el('span', { class: 'tag-prob' }, percent(prob)),
    meter,
    el('span', { class: 'visually-hidden' }, t(on ? 'style.above' : 'style.below', { threshold: percent(threshold) })),
  );
}

function replace(...children) {
  byId('tags').replaceChildren(...children.filter(Boolean));
}
