// The page: a photo comes in, its style is read, and on request the shop's closest products come out.

import { Problem } from './api.js';
import { API, MODULES, options } from './config.js';
import { Crop } from './crop.js';
import { announce, byId, el } from './dom.js';
import { Finder } from './finder.js';
import { current, preferred, t, term, use } from './i18n.js';
import { whenIntended } from './intent.js';
import { Gpu, Model } from './model.js';
import { holdRelease, registerWhenIdle } from './offline.js';
import { Photo, PhotoError } from './photo.js';
import { watchPicker } from './picker.js';
import { drawPrivacy, speakOf } from './privacy.js';
import { drawProduct, watchAddress } from './product-view.js';
import { Reading } from './reading.js';
import { problemWords } from './results-view.js';
import { drawSamples, showSamples } from './samples.js';

const CATEGORIES = ['tops', 'shoes', 'bags', 'other'];

const { backend, ...limits } = options(location.search);
const wanted = { ...limits, gpu: new Gpu(backend), api: API, modules: MODULES };
const tagger = new Model({ ...wanted, name: 'tagger' });
const encoder = new Model({ ...wanted, name: 'query-encoder' });
const finder = new Finder(encoder, () => photo && { photo, box: crop.pixels });
const reading = new Reading(tagger, finder);
let photo = null; // the Photo shown
let crop = null; // its Crop
let photoError = null; // () => words, or null
let turns = 0; // photos asked for so far
let opening = Promise.resolve(); // the decoding of the last one

async function main() {
  watchPicker((file) => takePhoto(file));
  byId('find').addEventListener('submit', (event) => {
    event.preventDefault();
    finder.find();
  });
  byId('category').addEventListener('change', () => finder.check());
  byId('search-again').addEventListener('click', () => finder.find());
  byId('another').addEventListener('click', another);
  byId('whole').addEventListener('click', () => crop?.reset());
  byId('suggest').addEventListener('click', suggest);
  for (const button of document.querySelectorAll('[data-lang]')) button.addEventListener('click', () => speak(button.dataset.lang, true));

  holdRelease();
  // Nothing heavy comes before a photo does, or seems to. A failure is said when a photo asks for the model.
  whenIntended([byId('picker'), byId('samples')], () => navigator.connection?.saveData || tagger.load().catch(() => {}));

  await speak(preferred());
  document.documentElement.classList.add('ready');
  byId('boot').hidden = true;
  watchAddress();
  showSamples(takePhoto).catch(() => {}); // a shop without samples is still a shop
  registerWhenIdle();
}

/** Shows the page in a language. */
async function speak(language, remember = false) {
  await use(language, remember);
  for (const button of document.querySelectorAll('[data-lang]')) button.setAttribute('aria-pressed', String(button.dataset.lang === current()));
  const select = byId('category');
  const chosen = select.value;
  select.replaceChildren(el('option', { value: '' }, t('find.all')), ...CATEGORIES.map((id) => el('option', { value: id }, term('category', id))));
  select.value = chosen;
  crop?.draw();
  drawSamples(takePhoto);
  drawProduct();
  reading.draw();
  finder.draw();
  drawPrivacy();
  drawPhotoError();
}

/** Takes a picture from any source, shows it and reads its style. Of several at once, only the last is opened. */
async function takePhoto(source) {
  const turn = ++turns;
  tagger.load().catch(() => {}); // beside the decoding; the reading says what failed
  reading.opening();
  try {
    const file = await source;
    const opened = await next(() => turn === turns && Photo.open(file));
    if (turn !== turns) return; // another was chosen while this one came
    setPhotoError(null);
    finder.clear();
    showPhoto(opened);
    await reading.read(opened);
  } catch (error) {
    if (turn !== turns) return;
    reading.notOpened();
    setPhotoError(() => (error instanceof PhotoError ? t(`photo.${error.code}`) : problemWords(error instanceof Problem ? error : { code: 'other' })));
  }
}

/** Opens photos one after the other: each takes hundreds of megabytes for a moment. */
function next(open) {
  const opened = opening.then(open);
  opening = opened.catch(() => {});
  return opened;
}

function showPhoto(opened) {
  photo = opened;
  const mine = (crop = new Crop(photo));
  crop.addEventListener('change', () => {
    byId('whole').hidden = mine.whole;
    sayOfCrop(null);
    reading.follow(opened, mine.pixels);
    finder.check();
  });
  const frame = byId('frame');
  photo.canvas.setAttribute('role', 'img');
  photo.canvas.setAttribute('aria-label', t('photo.alt'));
  photo.canvas.dataset.i18nLabel = 'photo.alt';
  frame.style.setProperty('--ratio', photo.width / photo.height);
  frame.replaceChildren(photo.canvas, crop.element);
  sayOfCrop(null);
  speakOf(photo);
  byId('picker').hidden = true;
  byId('main').classList.add('has-photo');
  byId('photo').hidden = false;
  byId('whole').hidden = true;
  byId('find-button').disabled = false;
  byId('photo-heading').focus({ preventScroll: true });
  frame.scrollIntoView({ block: 'nearest' });
}

/** Back to the picker. */
function another() {
  turns++; // nor is one shown that is still on its way
  photo = crop = null;
  finder.clear();
  reading.clear();
  setPhotoError(null);
  byId('photo').hidden = true;
  byId('picker').hidden = false;
  byId('main').classList.remove('has-photo');
  byId('find-button').disabled = true;
  byId('file').focus();
}

/** Puts the box around what stands out, where something does. Only when asked: models learnt from whole photos, too. */
async function suggest() {
  const [on, before] = [crop, crop.key];
  sayOfCrop('crop.looking');
  let box;
  try {
    ({ box } = await tagger.propose(photo.pixels()));
  } catch (error) {
    if (error.code === 'superseded') return;
  }
  if (on !== crop || on.key !== before) return; // another photo or another box came meanwhile
  if (box) on.put(box);
  else sayOfCrop(box === null ? 'crop.nothing' : 'crop.failed');
}

/** A line below the photo on the search for an area; `key` null takes it away. */
function sayOfCrop(key) {
  const line = byId('crop-note');
  line.hidden = key === null;
  line.dataset.i18n = key ?? 'crop.nothing';
  line.textContent = key === null ? '' : t(key);
  if (key !== null) announce(line.textContent);
}

/** Says why there is no photo, where the visitor looks; `words` null takes it away. */
function setPhotoError(words) {
  photoError = words;
  drawPhotoError();
  if (words) byId('photo-error').focus();
}

function drawPhotoError() {
  const place = byId('photo-error');
  place.hidden = photoError === null;
  place.textContent = photoError?.() ?? '';
}

main();
