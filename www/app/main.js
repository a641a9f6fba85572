// The page: a photo comes in, tags come out, and on request the shop's closest products.

import { Problem, search, searchByEmbedding } from './api.js';
import { API, MODULES, options } from './config.js';
import { Crop } from './crop.js';
import { announce, byId, el } from './dom.js';
import { current, percent, preferred, t, term, use } from './i18n.js';
import { isUnmetered, whenIntended } from './intent.js';
import { Gpu, Model } from './model.js';
import { holdRelease, keepModule, registerWhenIdle } from './offline.js';
import { NotAnImage, Photo } from './photo.js';
import { watchPicker } from './picker.js';
import { drawProduct, openProduct } from './product-view.js';
import { hideResults, problemWords, showHits, showProblem, showSearching, showUndescribed } from './results-view.js';
import { drawSamples, showSamples } from './samples.js';
import { showBusy, showEmpty, showFailure, showTags, verdict } from './tags-view.js';

const CATEGORIES = ['tops', 'shoes', 'bags', 'other'];

const { backend, ...limits } = options(location.search);
const wanted = { ...limits, gpu: new Gpu(backend), api: API, modules: MODULES };
const tagger = new Model({ ...wanted, name: 'tagger' });
const encoder = new Model({ ...wanted, name: 'query-encoder' });
let photo = null; // the Photo shown
let crop = null; // its Crop
let drawTags = showEmpty; // draws the style panel as it is, in the language of now
let drawResults = hideResults; // the same for the products
let photoError = null; // () => words, or null
let turns = 0; // photos asked for so far
let searching = null; // AbortController of the running search
let fellBack = false;
let downloaded = 0; // share of the weights, as shown last
let encoderProgress = null; // shows how much of the encoder has come, while a search waits for it

async function main() {
  watchPicker((file) => takePhoto(file));
  tagger.addEventListener('progress', ({ detail }) => progress(detail.loaded / detail.total));
  tagger.addEventListener('fallback', () => (fellBack = true));
  encoder.addEventListener('progress', ({ detail }) => encoderProgress?.(detail.loaded / detail.total));
  byId('find').addEventListener('submit', (event) => {
    event.preventDefault();
    find();
  });
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
  drawTags();
  drawResults();
  drawPhotoError();
}

/** Takes a picture from any source, shows it and reads its style. */
async function takePhoto(source) {
  const turn = ++turns;
  tagger.load().catch(() => {}); // beside the decoding; readStyle says what failed
  let opened;
  try {
    opened = await Photo.open(await source);
    if (turn !== turns) return; // another was chosen while this one came
  } catch (error) {
    if (turn !== turns) return;
    photoError = () => (error instanceof NotAnImage ? t('photo.unreadable') : problemWords(error instanceof Problem ? error : { code: 'other' }));
    return drawPhotoError();
  }
  photoError = null;
  drawPhotoError();
  searching?.abort();
  setResults(hideResults);
  showPhoto(opened);
  await readStyle(opened);
}

function showPhoto(opened) {
  photo = opened;
  crop = new Crop(photo);
  crop.addEventListener('change', () => (byId('whole').hidden = crop.whole));
  const frame = byId('frame');
  photo.canvas.setAttribute('role', 'img');
  photo.canvas.setAttribute('aria-label', t('photo.alt'));
  frame.style.setProperty('--ratio', photo.width / photo.height);
  frame.replaceChildren(photo.canvas, crop.element);
  byId('picker').hidden = true;
  byId('bench').classList.add('has-photo');
  byId('photo').hidden = false;
  byId('whole').hidden = true;
  byId('find-button').disabled = false;
  byId('photo-heading').focus({ preventScroll: true });
}

/** Back to the picker. */
function another() {
  searching?.abort();
  photo = crop = null;
  byId('photo').hidden = true;
  byId('picker').hidden = false;
  byId('bench').classList.remove('has-photo');
  byId('find-button').disabled = true;
  setTags(showEmpty);
  setResults(hideResults);
  byId('file').focus();
}

async function readStyle(of) {
  of.waits = true; // for its tags
  busy(null);
  announce(t('style.reading'));
  try {
    const reading = await tagger.tag({ pixels: of.pixels(), width: of.width, height: of.height });
    if (photo !== of) return; // another photo came meanwhile
    of.waits = false;
    const seen = { ...reading, fellBack };
    setTags(() => showTags(seen));
    announce(t('style.announce', { styles: verdict(reading.tags) }));
    keepModule(reading.backend);
    if (isUnmetered()) encodes().catch(() => {}); // said when a search asks for it
  } catch (error) {
    if (photo !== of) return;
    of.waits = false;
    console.error('selvedge: no tags:', error.code, error.message);
    setTags(() => showFailure(error.code, () => readStyle(of)));
  }
}

/** Puts the box around what stands out, where something does. Only when asked: models learnt from whole photos, too. */
async function suggest() {
  const [of, on] = [photo, crop];
  const { box } = await tagger.propose({ pixels: of.pixels(), width: of.width, height: of.height }).catch(() => ({ box: null }));
  if (on !== crop) return; // another photo came meanwhile
  if (box) on.put(box);
  else announce(t('crop.nothing'));
}

/** Whether this device describes photos for the search itself; says so on the page once it is known. */
async function encodes() {
  try {
    await encoder.load();
  } catch (error) {
    if (error.code !== 'absent') throw error;
    return false;
  }
  for (const [id, key] of [['find-hint', 'find.hint.stays'], ['foot', 'foot.stays']]) {
    byId(id).dataset.i18n = key;
    byId(id).textContent = t(key);
  }
  return true;
}

/**
 * Finds the pieces closest to the photo, or to the box on it: by what this device makes of it, or, where the shop has no
 * query encoder or the visitor says `send`, by the photo.
 */
async function find(send = false) {
  if (!photo) return;
  searching?.abort();
  const mine = (searching = new AbortController());
  const of = photo;
  const query = { crop: crop.pixels, category: byId('category').value || null };
  const say = (key) => {
    setResults(() => showSearching(t(key)));
    announce(t(key));
  };
  say('results.preparing');
  byId('results').scrollIntoView({ block: 'nearest' });
  let embedding = null;
  encoderProgress = (share) => mine === searching && !mine.signal.aborted && setResults(() => showSearching(t('results.loading', { share: percent(share) })));
  try {
    if (!send && (await encodes())) embedding = await encoder.embed({ pixels: of.pixels(), width: of.width, height: of.height }, query.crop);
  } catch (error) {
    if (mine !== searching || mine.signal.aborted) return;
    if (error.code === 'unreachable') return setResults(() => showProblem(new Problem('unreachable', ''), () => find()));
    // Never sent instead without being asked: the page has said that it stays.
    console.error('selvedge: no embedding:', error.code, error.message);
    return setResults(() => showUndescribed(() => find(), () => find(true)));
  }
  if (mine !== searching || mine.signal.aborted) return;
  encoderProgress = null;
  say('results.searching');
  try {
    const answer = embedding ? await searchByEmbedding({ ...embedding, category: query.category }, mine.signal) : await search({ image: await of.jpeg(), ...query }, mine.signal);
    if (mine !== searching) return;
    setResults(() => showHits(answer, { stayed: embedding !== null, choose: openProduct }));
    byId('results-heading').focus({ preventScroll: true });
    byId('results').scrollIntoView({ block: 'start' });
  } catch (error) {
    if (mine !== searching || mine.signal.aborted) return;
    const problem = error instanceof Problem ? error : new Problem('other', '');
    setResults(() => showProblem(problem, () => find(send)));
  }
}

/** Shows a download's progress while a photo waits for it, in steps an eye can follow. */
function progress(share) {
  const step = Math.floor(share * 50) / 50;
  if (step === downloaded) return;
  downloaded = step;
  if (photo?.waits) busy(step);
}

function busy(share) {
  setTags(() => showBusy(share !== null && share < 1 ? share : null));
}

function setTags(draw) {
  drawTags = draw;
  draw();
}

function setResults(draw) {
  drawResults = draw;
  draw();
}

function drawPhotoError() {
  const place = byId('photo-error');
  place.hidden = photoError === null;
  place.textContent = photoError?.() ?? '';
}

main();
