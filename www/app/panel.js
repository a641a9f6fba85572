// Dialog for the privacy panel and the history.

import { byId, el } from './dom.js';
import { t } from './i18n.js';

let draw = null; // draws the content of the open dialog
let openName = null; // its name

/**
 * Opens the dialog.
 * @param {string} name
 * @param {() => (Node|null)[]} content returns the content in the current language; the first node is the heading with the id `panel-heading`
 */
export function openPanel(name, content) {
  const panel = byId('panel');
  openName = name;
  draw = () => {
    const focused = panel.contains(document.activeElement);
    const close = el('button', { type: 'button', class: 'close', 'aria-label': t('notice.close'), onclick: () => panel.close() }, '×');
    panel.replaceChildren(close, ...content().filter(Boolean));
    if (focused) close.focus();
  };
  draw();
  // A click on the backdrop is a click on the dialog itself.
  panel.onclick = ({ target }) => {
    if (target === panel) panel.close();
  };
  panel.showModal();
}

/** Draws a dialog again if it is open. */
export function drawPanel(name) {
  if (byId('panel').open && openName === name) draw();
}
