// View of the style panel: waiting, download progress, the recognised styles, or the reason why there are none.

import { byId, el } from './dom.js';
import { formatPercent, joinList, joinSentences, t, term, withWordBreaks } from './i18n.js';

/** Largest number of styles that are named. */
const MAX_NAMED = 3;

/** Shows the panel before the first photo. */
export function showEmpty() {
  replacePanel(el('p', { class: 'hint' }, t('style.empty')));
}

/** Shows that the photo is being opened or tagged. */
export function showBusy(key) {
  showWaiting(t(key));
}

/** Shows the progress of the download of the model. `fraction` is 0–1. */
export function showLoading(fraction) {
  const progress = el('progress', { max: 1, value: fraction, 'aria-label': t('style.progress') });
  showWaiting(t('style.loading', { share: formatPercent(fraction) }), progress);
}

/** Shows why there are no tags, and a button to try again. */
export function showFailure(code, retry) {
  const known = ['unreachable', 'unexpected', 'corrupt', 'timeout', 'renewed', 'pixels_hidden'].includes(code) ? code : 'other';
  replacePanel(
    el('div', { class: 'notice error', role: 'alert' }, el('p', {}, t(`style.failed.${known}`)), el('button', { type: 'button', class: 'button', onclick: retry }, t('again'))),
  );
}

/**
 * Shows the named styles, and all tags in a folded list.
 * @param {{tags: {id, prob, threshold, precise?, on}[], statesPrecise: boolean, backend: string, ms: number, fellBack: boolean,
 *   part: boolean}} result `statesPrecise`: the bundle states precise thresholds; `part`: for the marked area only
 * @param {boolean} stale true if the area has changed and its own result is not there yet
 */
export function showTags(result, stale = false) {
  const open = byId('tags').querySelector('details')?.open ?? false;
  const named = new Set(namedTags(result));
  const rows = sortedByProb(result.tags).map((tag) => row(tag, named.has(tag), result.statesPrecise));
  const scope = stale ? 'style.stale' : result.part && 'style.part';
  replacePanel(
    el('p', { class: 'verdict' }, ...withWordBreaks(verdict(result))),
    scope && el('p', { class: 'hint', id: 'style-scope' }, t(scope)),
    el(
      'details',
      { open },
      el('summary', {}, t('style.all')),
      el('ul', { class: 'tag-list' }, ...rows),
      el('p', { class: 'hint', id: 'reading-note' }, runNote(result)),
    ),
  );
  byId('tags').classList.toggle('stale', stale);
}

/** Returns the named styles as a text, or the closest style if none is certain. */
export function verdict(result) {
  const named = namedTags(result).map((tag) => term('label', tag.id));
  if (named.length > 0) return joinList(named);
  const [closest] = sortedByProb(result.tags);
  return closest ? t('style.none', { closest: term('label', closest.id) }) : t('style.nothing');
}

/**
 * Returns the tags to name, most probable first. A bundle may state precise thresholds: above its own, a label is seldom
 * wrong, and a label without one (`precise: null`) is never named. Other bundles use their ordinary thresholds, which have a
 * lower precision.
 */
function namedTags({ tags, statesPrecise }) {
  const passes = ({ prob, precise, on }) => (statesPrecise ? Number.isFinite(precise) && prob >= precise : on);
  return sortedByProb(tags.filter(passes)).slice(0, MAX_NAMED);
}

const sortedByProb = (tags) => [...tags].sort((a, b) => b.prob - a.prob);

/** Returns the sentence on time and backend. */
function runNote({ backend, ms, fellBack }) {
  const time = ms < 1000 ? t('ms', { n: Math.max(1, Math.round(ms)) }) : t('seconds', { n: (ms / 1000).toFixed(1) });
  const note = t('style.note', { backend: t(`backend.${backend}`), time });
  return fellBack ? joinSentences([note, t('style.fellback')]) : note;
}

/** Makes the row of a tag. It shows the threshold that decides on naming, if the label has one. */
function row({ id, prob, threshold, precise, on }, named, statesPrecise) {
  const limit = statesPrecise ? precise : threshold;
  const hasLimit = Number.isFinite(limit);
  const meter = el('span', { class: 'bar', 'aria-hidden': 'true' }, el('span', { class: 'fill' }), hasLimit && el('span', { class: 'mark' }));
  meter.style.setProperty('--prob', prob);
  if (hasLimit) meter.style.setProperty('--threshold', limit);
  return el(
    'li',
    { class: named ? 'tag named' : 'tag', 'data-id': id, 'data-prob': prob, 'data-on': String(on) },
    el('span', { class: 'tag-name' }, term('label', id)),
    el('span', { class: 'tag-prob' }, formatPercent(prob)),
    meter,
    hasLimit && el('span', { class: 'visually-hidden' }, t(prob >= limit ? 'style.above' : 'style.below', { threshold: formatPercent(limit) })),
  );
}

function showWaiting(text, progress = null) {
  const skeleton = Array.from({ length: 3 }, () => el('span', { class: 'skeleton line' }));
  replacePanel(el('p', { class: 'hint' }, text), progress, el('div', { class: 'bars', 'aria-hidden': 'true' }, ...skeleton));
}

function replacePanel(...children) {
  byId('tags').classList.remove('stale');
  byId('tags').replaceChildren(...children.filter(Boolean));
}
