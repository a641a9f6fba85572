// Panel of the history: the switch, the entries, and the button that erases them.

import { byId, el } from './dom.js';
import { erase, isOn, list, markReopened, MOST, SIDE, turn } from './history.js';
import { formatTime, localised, t } from './i18n.js';
import { openPanel } from './panel.js';

let entries = [];
let failed = false;
let openPhoto = () => {};
let body = null; // the part of the panel that shows the entries

/**
 * Opens the panel.
 * @param {(photo: Blob) => void} onPhoto opens a photo of the history
 */
export async function openHistoryPanel(onPhoto) {
  openPhoto = onPhoto;
  openPanel('history', content);
  await refresh();
}

/** Reads the entries and shows them. */
async function refresh() {
  try {
    entries = isOn() ? await list() : [];
    failed = false;
  } catch {
    failed = true;
  }
  drawEntries();
}

function content() {
  const onchange = async ({ target }) => {
    if (await turn(target.checked)) return refresh();
    target.checked = isOn();
    failed = true;
    drawEntries();
  };
  body = el('div', { class: 'history-body' });
  drawEntries();
  return [
    el('h2', { id: 'panel-heading' }, t('history.heading')),
    el('p', {}, t('history.where', { n: MOST, side: SIDE })),
    el('label', { class: 'switch', for: 'history-on' }, el('input', { type: 'checkbox', id: 'history-on', checked: isOn(), onchange }), el('span', {}, t('history.keep'))),
    body,
  ];
}

function drawEntries() {
  const eraseAll = async () => {
    await erase().catch(() => (failed = true));
    await refresh();
    byId('history-on').focus();
  };
  const nodes = [
    failed && el('p', { class: 'notice error', role: 'alert' }, t('history.failed')),
    !failed && isOn() && entries.length === 0 && el('p', { class: 'hint' }, t('history.empty')),
    entries.length > 0 && el('ul', { class: 'history' }, ...entries.map((entry) => el('li', {}, entryButton(entry)))),
    entries.length > 0 && el('button', { type: 'button', class: 'button', id: 'history-erase', onclick: eraseAll }, t('history.erase', { n: entries.length })),
  ];
  body.replaceChildren(...nodes.filter(Boolean));
}

function entryButton(entry) {
  const time = formatTime(entry.time);
  const label = entry.kind === 'photo' ? t('history.photo', { time }) : localised(entry.name) || entry.id;
  const open = () => {
    byId('panel').close();
    if (entry.kind === 'product') return void (location.hash = `product=${encodeURIComponent(entry.id)}`);
    markReopened(entry.copy);
    openPhoto(entry.copy);
  };
  return el('button', { type: 'button', class: 'history-entry', 'data-kind': entry.kind, onclick: open }, thumbnail(entry.copy), el('span', {}, label));
}

/** Draws a copy on a canvas. The content security policy forbids images from `blob:` URLs. */
function thumbnail(copy) {
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  if (copy) {
    createImageBitmap(copy).then((image) => {
      canvas.width = image.width;
      canvas.height = image.height;
      canvas.getContext('2d').drawImage(image, 0, 0);
    }, () => {}); // the entry stays without a picture
  }
  return canvas;
}
