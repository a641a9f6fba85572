// Notices at the bottom edge of the page.

import { byId, el } from './dom.js';
import { t } from './i18n.js';

/**
 * Shows a notice, unless it is shown already. It can be closed.
 * @param {string} key key of the text
 * @param {{key: string, act: () => void}|null} action a button: key of its text, and its function
 */
export function showNotice(key, action = null) {
  const id = `notice-${key}`;
  if (byId(id)) return;
  const text = (name) => ({ 'data-i18n': name, textContent: t(name) });
  const close = el('button', { type: 'button', class: 'button quiet', onclick: () => notice.remove(), ...text('notice.close') });
  const act = action && el('button', { type: 'button', class: 'button', onclick: action.act, ...text(action.key) });
  const notice = el('div', { id, class: 'notice' }, el('p', text(key)), el('div', { class: 'row' }, act, close));
  byId('notices').append(notice);
}
