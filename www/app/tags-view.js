// View of the style panel: waiting, download progress, the recognised styles, or the reason why there are none.

import { chosenPoint, dial, loadTables } from './dial.js';
import { byId, el } from './dom.js';
import { formatPercent, joinList, joinSentences, t, term, withWordBreaks } from './i18n.js';

/** Largest number of labels of a group that are named. */
const MAX_NAMED = 3;

/** Labels of a group in the list, if the group has many. A button shows the rest. */
const SHORT_LIST = 8;
const MANY = 2 * SHORT_LIST;

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
 * Shows the named labels of every group, and all tags in a folded list.
 * @param {{tags: {id, group, prob, threshold, precise?, on}[], groups: {name, kind, drawn}[], statesPrecise: boolean,
 *   backend: string, ms: number, fellBack: boolean, part: boolean}} result `statesPrecise`: the bundle states precise
 *   thresholds; `part`: for the marked area only
 * @param {{stale?: boolean, explain?: () => void, map?: Element|null}} [how] `stale`: the area has changed and its own result is not
 *   there yet; `explain` starts the map of the parts that decided a label; `map`: that map, if there is one
 */
export function showTags(result, { stale = false, explain = null, map = null } = {}) {
  const groups = groupsOf(result);
  const titled = groups.length > 1;
  const head = el('div', { class: 'bare' });
  const lists = groups.map((group) => el('ul', { class: 'tag-list', 'data-group': group.name }));
  const fill = () => {
    const drawn = groups.some((group) => group.drawn && namedTags(group).length > 0);
    head.replaceChildren(titled ? groupList(groups) : el('p', { class: 'verdict' }, ...withWordBreaks(verdict(result))));
    if (drawn) head.append(el('p', { class: 'hint', id: 'style-drawn' }, t('style.drawn')));
    groups.forEach((group, at) => lists[at].replaceChildren(...tagRows(group)));
  };
  const addDials = () => groups.forEach((group, at) => lists[at].before(...[dial(group.name, term('group', group.name), fill)].filter(Boolean)));
  const scope = stale ? 'style.stale' : result.part && 'style.part';
  const details = el(
    'details',
    { open: byId('tags').querySelector('details')?.open ?? false },
    el('summary', {}, t(titled ? 'style.all_labels' : 'style.all')),
    map ?? (explain && !stale && el('button', { type: 'button', class: 'button', id: 'explain', onclick: explain }, t('map.open'))),
    ...groups.flatMap((group, at) => [titled && el('h3', {}, term('group', group.name)), lists[at], group.tags.length >= MANY && restButton(lists[at], group.tags.length)].filter(Boolean)),
    el('p', { class: 'hint', id: 'reading-note' }, runNote(result)),
  );
  // The tables are fetched when the list is opened for the first time.
  details.addEventListener('toggle', async () => {
    if (!details.open || details.querySelector('.dial') || !(await loadTables(result.modelId))) return;
    if (details.querySelector('.dial')) return;
    addDials();
    fill();
  });
  if (details.open) addDials(); // the tables are there if the list was opened before
  fill();
  replacePanel(head, scope && el('p', { class: 'hint', id: 'style-scope' }, t(scope)), details);
  byId('tags').classList.toggle('stale', stale);
}

/** Returns the labels that a map can be shown for: the named ones, or else the most probable one of every group. */
export function mappedLabels(result) {
  const groups = groupsOf(result);
  const named = groups.flatMap(namedTags);
  return named.length > 0 ? named : groups.flatMap(({ tags }) => sortedByProb(tags).slice(0, 1));
}

/**
 * Returns the named labels as a text. A group without a certain label is not sure. If the bundle has one group, the text names
 * its closest label instead.
 */
export function verdict(result) {
  const groups = groupsOf(result);
  if (groups.length > 1) return joinSentences(groups.map((group) => t('group.verdict', { group: term('group', group.name), labels: labelsOf(group) })));
  const [closest] = sortedByProb(result.tags);
  return namedTags(groups[0]).length > 0 || !closest ? labelsOf(groups[0]) : t('style.none', { closest: term('label', closest.id) });
}

/** Returns the groups of a result, each with its tags. A bundle that names no groups has one. */
function groupsOf({ tags, groups = [], statesPrecise }) {
  if (groups.length === 0) return [{ name: 'style', kind: 'several', drawn: false, tags, statesPrecise }];
  return groups.map((group) => ({ ...group, tags: tags.filter((tag) => tag.group === group.name), statesPrecise }));
}

/** Returns the named labels of a group as a text. */
function labelsOf(group) {
  const named = namedTags(group).map((tag) => term('label', tag.id));
  return named.length > 0 ? joinList(named) : t('style.nothing');
}

/** Makes the list of groups with their named labels. */
function groupList(groups) {
  const entries = groups.map((group) =>
    el('div', { class: 'tag-group', 'data-group': group.name }, el('dt', {}, term('group', group.name)), el('dd', { class: 'verdict' }, ...withWordBreaks(labelsOf(group)))),
  );
  return el('dl', { class: 'tag-groups' }, ...entries);
}

/** Makes the rows of all labels of a group, the named ones first. In a group of many labels only the first rows are shown. */
function tagRows(group) {
  const named = namedTags(group);
  const others = sortedByProb(group.tags).filter((tag) => !named.includes(tag));
  const shown = group.tags.length >= MANY ? Math.max(SHORT_LIST, named.length) : Infinity;
  return [...named, ...others].map((tag, at) => {
    const made = row(tag, at < named.length, limitOf(tag, group));
    made.classList.toggle('rest', at >= shown);
    return made;
  });
}

/** Makes the button that shows all rows of a list. */
function restButton(list, count) {
  const showAll = () => {
    list.classList.add('all');
    list.tabIndex = -1;
    list.focus();
    button.remove();
  };
  const button = el('button', { type: 'button', class: 'button quiet', onclick: showAll }, t('style.rest', { n: count }));
  return button;
}

/**
 * Returns the tags of a group to name, most probable first. A bundle may state precise thresholds: above its own, a label is
 * seldom wrong, and a label without one (`precise: null`) is never named. Other bundles use their ordinary thresholds, which
 * have a lower precision. If the labels exclude each other, only the most probable one can be named. The visitor may choose
 * another operating point with the dial.
 */
function namedTags(group) {
  const { name, tags, kind, statesPrecise } = group;
  const chosen = chosenPoint(name);
  if (chosen) return sortedByProb(tags.filter((tag) => tag.prob >= (limitOf(tag, group) ?? Infinity))).slice(0, chosen.most);
  const passes = ({ prob, precise, on }) => (statesPrecise ? Number.isFinite(precise) && prob >= precise : on);
  const candidates = kind === 'one' ? sortedByProb(tags).slice(0, 1) : tags;
  return sortedByProb(candidates.filter(passes)).slice(0, MAX_NAMED);
}

/** Returns the threshold that decides whether a label is named, or null. */
function limitOf({ id, precise, threshold }, { name, statesPrecise }) {
  const chosen = chosenPoint(name);
  if (chosen) return chosen.limits[id] ?? null;
  return statesPrecise ? precise : threshold;
}

const sortedByProb = (tags) => [...tags].sort((a, b) => b.prob - a.prob);

/** Returns the sentence on time and backend. */
function runNote({ backend, ms, fellBack }) {
  const time = ms < 1000 ? t('ms', { n: Math.max(1, Math.round(ms)) }) : t('seconds', { n: (ms / 1000).toFixed(1) });
  const note = t('style.note', { backend: t(`backend.${backend}`), time });
  return fellBack ? joinSentences([note, t('style.fellback')]) : note;
}

/** Makes the row of a tag. It shows the threshold that decides on naming, if the label has one. */
function row({ id, prob, on }, named, limit) {
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
