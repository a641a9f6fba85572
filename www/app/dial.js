// Recall dial: how many labels of a group are named. It reads the precision–recall tables of the tagger's manifest. A group
// without tables has no dial.
//
// The first position is the operating point of the bundle. Every further position accepts a lower precision: each label has the
// threshold with the largest recall among those that reach the precision in its table. A label that the bundle names by itself
// stays named.

import { API } from './config.js';
import { el } from './dom.js';
import { formatPercent, t } from './i18n.js';

/** Lowest precision of a label in its table, per position after the first. */
const PRECISIONS = [0.8, 0.65, 0.5, 0.35, 0.2];

/** Labels of a group that are named at most, per position. */
const MOST = [3, 4, 6, 8, 10, 12];

const positions = new Map(); // group name → position chosen on this page
let tables = null; // group name → positions: {limits: {label: threshold}, precision, recall}
let request = null;

/** Loads the tables of the tagger that gave a result. Resolves to true if a group has one. Without tables there is no dial. */
export async function loadTables(modelId) {
  request ??= readManifest().then((manifest) => tablesOf(manifest, modelId), () => null);
  tables = await request;
  return Boolean(tables?.size);
}

/** Returns the operating point chosen for a group, `{limits, most}`, or null for that of the bundle. */
export function chosenPoint(group) {
  const position = positions.get(group) ?? 0;
  const point = position > 0 && tables?.get(group)?.[position];
  return point ? { limits: point.limits, most: MOST[position] } : null;
}

/**
 * Makes the dial of a group. Returns null if the group has no table.
 * @param {string} group
 * @param {string} name name of the group in the shown language
 * @param {() => void} onChange called after a change
 */
export function dial(group, name, onChange) {
  const points = tables?.get(group);
  if (!points) return null;
  const id = `dial-${group}`;
  const words = () => {
    const { precision, recall } = points[positions.get(group) ?? 0];
    return recall > 0 ? t('dial.expected', { right: formatPercent(precision), found: formatPercent(recall) }) : t('dial.none');
  };
  const output = el('p', { class: 'hint', id: `${id}-words` }, words());
  const range = el('input', {
    type: 'range', id, min: '0', max: String(points.length - 1), step: '1', 'aria-label': t('dial.label', { group: name }),
    oninput: () => {
      positions.set(group, Number(range.value));
      output.textContent = words();
      range.setAttribute('aria-valuetext', output.textContent);
      onChange();
    },
  });
  range.value = String(positions.get(group) ?? 0);
  range.setAttribute('aria-valuetext', words());
  const ends = el('p', { class: 'dial-ends hint', 'aria-hidden': 'true' }, el('span', {}, t('dial.fewer')), el('span', {}, t('dial.more')));
  return el('div', { class: 'dial' }, range, ends, output);
}

/** Fetches the manifest of the tagger. Without a network it is the copy that weights.js stored. */
async function readManifest() {
  const url = new URL('tagger', API);
  try {
    const response = await fetch(url);
    if (response.ok) return await response.json();
  } catch {
    // no network
  }
  return (await caches.match(url)).json();
}

/** Returns the positions of the dial of every group that has curves. */
function tablesOf({ id, weights, labels, groups = [] }, modelId) {
  const found = new Map();
  if (modelId !== `${id}@${weights.sha256.slice(0, 12)}`) return found; // the shop has a different tagger by now
  let first = 0;
  for (const { name, labels: count, precise, curves } of groups) {
    const ids = labels.slice(first, first + count);
    first += count;
    if (curves?.length !== count || !curves.some((curve) => curve.length > 0)) continue;
    const stated = ids.map((_, at) => precise?.labels[at] ?? null);
    found.set(name, [position(ids, stated, stated, curves), ...PRECISIONS.map((least) => position(ids, curves.map((curve) => widest(curve, least)), stated, curves))]);
  }
  return found;
}

/** Returns the point of a curve with the largest recall among those of at least a precision, or null. */
const widest = (curve, least) => curve.filter(({ precision }) => precision >= least).sort((a, b) => b.recall - a.recall)[0] ?? null;

/** Returns the limits of a position, with the mean precision of the labels that it can name, and the mean recall of the measured labels. */
function position(ids, points, stated, curves) {
  const best = points.map((point, at) => (stated[at] && (!point || stated[at].threshold < point.threshold) ? stated[at] : point));
  const mean = (values) => (values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : 0);
  return {
    limits: Object.fromEntries(ids.map((id, at) => [id, best[at]?.threshold ?? null])),
    precision: mean(best.filter(Boolean).map(({ precision }) => precision)),
    recall: mean(best.filter((point, at) => point || curves[at].length > 0).map((point) => point?.recall ?? 0)),
  };
}
