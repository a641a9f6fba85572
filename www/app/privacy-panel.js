// Panel that shows what left this device since the page was opened, in bytes.

import { el } from './dom.js';
import { formatBytes, t } from './i18n.js';
import { meteredChoice, setMeteredChoice } from './metered.js';
import { drawPanel, openPanel } from './panel.js';
import { privacyText } from './privacy.js';
import { trafficCounts } from './traffic.js';

/** Opens the panel. */
export const openPrivacyPanel = () => openPanel('privacy', content);

function content() {
  const counts = trafficCounts();
  const total = Object.values(counts).reduce((sum, { bytes }) => sum + bytes, 0);
  const amount = ({ requests, bytes }) => (requests === 0 ? t('panel.none') : t('panel.amount', { n: requests, bytes: formatBytes(bytes) }));
  const row = (key, text, kind = null) => [el('dt', {}, t(key)), el('dd', { 'data-kind': kind }, text)];
  return [
    el('h2', { id: 'panel-heading' }, t('panel.heading')),
    el('p', {}, privacyText()),
    el(
      'dl',
      {},
      ...row('panel.tags', t('panel.none')),
      ...row('panel.numbers', amount(counts.numbers), 'numbers'),
      ...row('panel.photo', amount(counts.photo), 'photo'),
      ...row('panel.other', amount(counts.other), 'other'),
      ...row('panel.total', formatBytes(total), 'total'),
    ),
    el('p', { class: 'hint' }, t('panel.files')),
    el('p', { class: 'hint' }, t('panel.share')),
    ...meteredNote(),
  ];
}

/** Makes the note that photos are sent on a metered connection, with a button that forgets this choice. */
function meteredNote() {
  if (meteredChoice() !== 'send') return [];
  const forget = () => {
    setMeteredChoice(null);
    drawPanel('privacy');
  };
  return [el('p', { id: 'metered' }, t('panel.metered'), ' ', el('button', { type: 'button', class: 'button quiet', onclick: forget }, t('panel.ask')))];
}
