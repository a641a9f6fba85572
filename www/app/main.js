// Entry point of the page. It opens a photo, shows its style and, on request, the shop's closest products.

import { Problem } from './api.js';
import { API, MODULES, parseOptions } from './config.js';
import { Crop } from './crop.js';
import { announce, byId, el } from './dom.js';
import { rememberPhoto, watchProducts } from './history.js';
import { currentLanguage, preferredLanguage, setLanguage, t, term } from './i18n.js';
import { onPhotoIntent } from './intent.js';
import { lazy } from './lazy.js';
import { showNotice } from './notices.js';
import { lockRelease, registerWhenIdle } from './offline.js';
import { Photo, PhotoError } from './photo.js';
import { watchPicker } from './picker.js';
import { PiecesView } from './pieces-view.js';
import { drawPrivacy, setPrivacyPhoto } from './privacy.js';
import { problemText } from './problems.js';
import { drawSamples, showSamples } from './samples.js';
import { SearchPanel } from './search-panel.js';
import { openShared } from './share.js';
import { StylePanel } from './style-panel.js';
import { StyleTagger } from './tagger.js';
import { countTraffic } from './traffic.js';

const CATEGORIES = ['tops', 'shoes', 'bags', 'other'];

/** Buttons that change the crop box. They are hidden while the box is the whole photo. */
const BOX_BUTTONS = ['whole', 'larger', 'smaller'];

const tagger = new StyleTagger({ ...parseOptions(location.search), baseUrl: API, moduleUrl: MODULES });
const pieces = new PiecesView(tagger);
const searchPanel = new SearchPanel(tagger, () => photo && { photo, box: crop.pixels });
const stylePanel = new StylePanel(tagger, searchPanel);
let photo = null; // the Photo shown
let photoFile = null; // the file that it was opened from
let crop = null; // its Crop
let photoErrorText = null; // () => text, or null
let opening = new AbortController(); // aborts the opening of the last photo requested
let work = new AbortController(); // aborts the work on the photo shown
let lastOpening = Promise.resolve(); // settles when the last photo has been opened

async function main() {
  countTraffic(drawPrivacy);
  watchPicker((file) => loadPhoto(file));
  byId('find').addEventListener('submit', (event) => {
    event.preventDefault();
    searchPanel.find();
  });
  byId('category').addEventListener('change', () => searchPanel.updateStale());
  byId('search-again').addEventListener('click', () => searchPanel.find());
  byId('another').addEventListener('click', returnToPicker);
  byId('whole').addEventListener('click', () => crop?.reset());
  byId('larger').addEventListener('click', () => crop?.scale(1.25));
  byId('smaller').addEventListener('click', () => crop?.scale(0.8));
  byId('suggest').addEventListener('click', suggestArea);
  pieces.addEventListener('choose', ({ detail: { box, category } }) => {
    byId('category').value = category;
    searchFor(box);
  });
  byId('open-privacy').addEventListener('click', async () => (await lazy('privacy-panel', () => import('./privacy-panel.js'))).openPrivacyPanel());
  byId('open-history').addEventListener('click', async () => (await lazy('history-panel', () => import('./history-panel.js'))).openHistoryPanel(loadPhoto));
  byId('open-embed').addEventListener('click', async () => (await lazy('embed-panel', () => import('./embed-panel.js'))).openEmbedPanel(tagger, photoFile));
  for (const button of document.querySelectorAll('[data-lang]')) button.addEventListener('click', () => showLanguage(button.dataset.lang, true));

  tagger.addEventListener('storagefull', () => showNotice('storage.full'));
  lockRelease();
  // The model loads only after a sign that a photo follows. Its failure is shown when a photo needs the model.
  onPhotoIntent([byId('picker'), byId('samples')], () => navigator.connection?.saveData || tagger.load().catch(() => {}));

  await showLanguage(preferredLanguage());
  document.documentElement.classList.add('ready');
  byId('boot').hidden = true;
  searchPanel.start();
  watchProducts();
  showSamples(loadPhoto);
  registerWhenIdle();
  prefetchWorker();
  openShared(loadPhoto, (code) => setPhotoError(() => t(`share.${code}`)));
}

/** Puts the worker's script into the browser's cache. Firefox refuses a prefetch link under `default-src 'none'`. */
function prefetchWorker() {
  if (!navigator.connection?.saveData) fetch(new URL('./worker.js', import.meta.url), { priority: 'low' }).catch(() => {});
}

/** Shows the page in a language. */
async function showLanguage(language, remember = false) {
  await setLanguage(language, remember);
  for (const button of document.querySelectorAll('[data-lang]')) button.setAttribute('aria-pressed', String(button.dataset.lang === currentLanguage()));
  const select = byId('category');
  const chosen = select.value;
  select.replaceChildren(el('option', { value: '' }, t('find.all')), ...CATEGORIES.map((id) => el('option', { value: id }, term('category', id))));
  select.value = chosen;
  crop?.draw();
  pieces.draw();
  drawSamples(loadPhoto);
  stylePanel.draw();
  searchPanel.draw();
  drawPrivacy();
  drawPhotoError();
}

/**
 * Opens a photo, shows it and recognises its style. Of several requests at once, only the last is opened.
 * @param {Blob|Promise<Blob>} source
 */
async function loadPhoto(source) {
  opening.abort();
  const { signal } = (opening = new AbortController());
  tagger.load().catch(() => {}); // in parallel to the decoding; the style panel shows a failure
  stylePanel.showOpening();
  byId('main').classList.add('has-photo'); // the title gets smaller at once, not when the photo is decoded
  try {
    const file = await source;
    const opened = await openInTurn(() => Photo.open(file, signal));
    if (signal.aborted) return;
    setPhotoError(null);
    searchPanel.clear();
    searchPanel.prepare();
    showPhoto(opened);
    photoFile = file;
    rememberPhoto(opened, file);
    const { signal: replaced } = work;
    await stylePanel.recognise(opened);
    if (!replaced.aborted) await pieces.find(opened, replaced);
  } catch (error) {
    if (signal.aborted) return;
    stylePanel.cancelOpening();
    byId('main').classList.toggle('has-photo', photo !== null);
    setPhotoError(() => (error instanceof PhotoError ? t(`photo.${error.code}`) : problemText(error instanceof Problem ? error : { code: 'other' })));
  }
}

/** Opens photos one after the other, because decoding may need hundreds of megabytes. */
function openInTurn(open) {
  const opened = lastOpening.then(open);
  lastOpening = opened.catch(() => {});
  return opened;
}

function showPhoto(opened) {
  work.abort();
  work = new AbortController();
  photo = opened;
  const newCrop = (crop = new Crop(photo));
  crop.addEventListener('change', () => {
    for (const id of BOX_BUTTONS) byId(id).hidden = newCrop.isWhole;
    showCropNote(null);
    stylePanel.follow(opened, newCrop.pixels);
    searchPanel.updateStale();
  });
  crop.addEventListener('tap', (event) => {
    const piece = pieces.at(event.detail);
    if (!piece) return;
    event.preventDefault();
    pieces.choose(piece);
  });
  pieces.clear();
  const frame = byId('frame');
  photo.canvas.setAttribute('role', 'img');
  photo.canvas.setAttribute('aria-label', t('photo.alt'));
  photo.canvas.dataset.i18nLabel = 'photo.alt';
  frame.style.setProperty('--ratio', photo.width / photo.height);
  frame.replaceChildren(photo.canvas, crop.element, pieces.element);
  showCropNote(null);
  setPrivacyPhoto(photo);
  byId('picker').hidden = true;
  byId('main').classList.add('has-photo');
  byId('photo').hidden = false;
  for (const id of BOX_BUTTONS) byId(id).hidden = true;
  byId('find-button').disabled = false;
  byId('photo-heading').focus({ preventScroll: true });
  frame.scrollIntoView({ block: 'nearest' });
}

/** Closes the photo and shows the picker. */
function returnToPicker() {
  opening.abort();
  work.abort();
  photo = crop = photoFile = null;
  searchPanel.clear();
  pieces.clear();
  stylePanel.clear();
  setPhotoError(null);
  byId('photo').hidden = true;
  byId('picker').hidden = false;
  byId('main').classList.remove('has-photo');
  byId('find-button').disabled = true;
  byId('file').focus();
}

/** Searches for the part of the photo in a box, in pixels. */
function searchFor(box) {
  crop.setPixels(box);
  searchPanel.find();
}

/** Proposes a box around the salient object. Runs only on request, because the models were trained on whole photos, too. */
async function suggestArea() {
  const [cropBefore, keyBefore, { signal }] = [crop, crop.key, work];
  showCropNote('crop.looking');
  let box;
  try {
    ({ box } = await tagger.propose(photo, { signal }));
  } catch {
    if (signal.aborted) return;
  }
  if (cropBefore !== crop || cropBefore.key !== keyBefore) return; // the photo or the box has changed in the meantime
  if (box) cropBefore.setPixels(box);
  else showCropNote(box === null ? 'crop.nothing' : 'crop.failed');
}

/** Shows a note on the suggested area below the photo. `key` null hides it. */
function showCropNote(key) {
  const note = byId('crop-note');
  note.hidden = key === null;
  note.dataset.i18n = key ?? 'crop.nothing';
  note.textContent = key === null ? '' : t(key);
  if (key !== null) announce(note.textContent);
}

/** Shows why a photo did not open, and focuses the message. `getText` null hides it. */
function setPhotoError(getText) {
  photoErrorText = getText;
  drawPhotoError();
  if (getText) byId('photo-error').focus();
}

function drawPhotoError() {
  const notice = byId('photo-error');
  notice.hidden = photoErrorText === null;
  notice.textContent = photoErrorText?.() ?? '';
}

main();
