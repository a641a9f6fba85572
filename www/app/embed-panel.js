// Panel for web developers: the element <style-tagger> of the package at work, and the lines that put it on another site.

import '../package/element.js';
import { el } from './dom.js';
import { t, term } from './i18n.js';
import { openPanel } from './panel.js';

/** A complete page. package.test.mjs runs it. */
const CODE = `<script type="module" src="/node_modules/@selvedge/tagger/element.js"></script>
<form action="/looks">
  <style-tagger name="style" manifest-url="/models/tagger/bundle.json" required></style-tagger>
  <output></output>
  <button>OK</button>
</form>
<script type="module">
  const [field, output] = document.querySelectorAll('style-tagger, output');
  field.addEventListener('change', () => (output.value = field.value.join(', ')));
</script>`;

const EVENTS = ['progress', 'fallback', 'tag', 'error', 'input', 'change'];

/**
 * Opens the panel.
 * @param {import('./tagger.js').StyleTagger} tagger the page's tagger, whose models and worker the element uses
 * @param {Blob|null} file photo to begin with
 */
export function openEmbedPanel(tagger, file) {
  const field = el('style-tagger', { name: 'style', required: '' });
  Object.assign(field, { tagger, labelText: ({ id }) => term('label', id) });
  const value = el('output', { id: 'embed-value' });
  const events = el('output', { id: 'embed-events' });
  const form = el('form', { onsubmit: (event) => event.preventDefault() }, field);
  const seen = new Set();
  const show = ({ type }) => {
    seen.add(type);
    value.value = new URLSearchParams(new FormData(form)).toString() || t('panel.none');
    events.value = [...seen].join(', ');
  };
  for (const type of EVENTS) field.addEventListener(type, show);
  openPanel('embed', () => [
    el('h2', { id: 'panel-heading' }, t('embed.heading')),
    el('p', {}, t('embed.about')),
    form,
    el('dl', {}, el('dt', {}, t('embed.value')), el('dd', {}, value), el('dt', {}, t('embed.events')), el('dd', {}, events)),
    el('h3', {}, t('embed.code')),
    el('pre', { lang: 'en' }, el('code', {}, CODE)),
    el('p', { class: 'hint' }, t('embed.where')),
  ]);
  if (file) field.tag(file).catch(() => {}); // the element shows a failure
}
