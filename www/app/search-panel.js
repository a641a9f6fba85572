// Search panel: prepares the photo or the crop box, asks the service and shows the products. It also marks results that
// are out of date.

import { Problem, search, searchByEmbedding } from './api.js';
import { announce, byId } from './dom.js';
import { formatPercent, t } from './i18n.js';
import { confirmPhotosStay, recordSent } from './privacy.js';
import { hideResults, setStale, showHits, showNotPrepared, showProblem, showSearching } from './results-view.js';

/** State of the search: the running query and the one whose results are shown. */
export class SearchPanel {
  #tagger;
  #currentSubject;
  #draw = hideResults;
  #running = null; // AbortController of the running search
  #shownQuery = null; // the query whose products are shown
  #preparing = false;

  /**
   * @param {import('./tagger.js').StyleTagger} tagger
   * @param {() => {photo: import('./photo.js').Photo, box: {x, y, width, height}|null}|null} currentSubject returns the photo and
   *   the box to search for now
   */
  constructor(tagger, currentSubject) {
    this.#tagger = tagger;
    this.#currentSubject = currentSubject;
    tagger.addEventListener('progress', ({ detail: { model, loaded, total } }) => {
      if (this.#preparing && model === 'encoder' && loaded < total) this.#show(() => showSearching('results.preparing', formatPercent(loaded / total)));
    });
  }

  /** Draws the results again, in the current language. */
  draw() {
    this.#draw();
    this.updateStale();
  }

  /** Aborts the search and hides the results. */
  clear() {
    this.#running?.abort();
    this.#running = null;
    this.#preparing = false;
    this.#show(hideResults);
  }

  /** Marks the results as out of date if the photo's box or the category is different now. */
  updateStale() {
    if (this.#shownQuery) setStale(this.#shownQuery.key !== this.#query()?.key);
  }

  /** Loads the query encoder. Resolves to false if the shop has none; photos then have to be sent. */
  async loadEncoder(signal) {
    try {
      await this.#tagger.load('encoder', { signal });
    } catch (error) {
      if (error.code !== 'absent') throw error;
      return false;
    }
    confirmPhotosStay();
    return true;
  }

  /**
   * Finds the products closest to the photo or to the crop box. Sends an embedding computed on this device. Sends the photo
   * or the crop itself if the shop has no query encoder, or if the visitor allows it (`sendPhoto`).
   */
  async find(sendPhoto = false) {
    const query = this.#query();
    if (!query) return;
    this.#running?.abort();
    const controller = (this.#running = new AbortController());
    const isOutdated = () => controller !== this.#running || controller.signal.aborted;
    this.#showWaiting('results.preparing');
    byId('results').scrollIntoView({ block: 'nearest' });
    let embedding = null;
    try {
      this.#preparing = true;
      if (!sendPhoto && (await this.loadEncoder(controller.signal))) embedding = await this.#tagger.embed(query.photo, { box: query.box, signal: controller.signal });
    } catch (error) {
      if (isOutdated()) return;
      if (error.code === 'unreachable') return this.#show(() => showProblem(new Problem('unreachable', ''), () => this.find()));
      // The photo is not sent without asking: the page has said that it stays on the device.
      console.error('selvedge: no embedding:', error.code, error.message);
      const incompleteShop = ['unexpected', 'corrupt', 'bundle_invalid'].includes(error.code);
      return this.#show(() => showNotPrepared(incompleteShop, () => this.find(), () => this.find(true)));
    } finally {
      if (!isOutdated()) this.#preparing = false;
    }
    if (isOutdated()) return;
    this.#showWaiting('results.searching');
    try {
      const answer = embedding
        ? await searchByEmbedding({ ...embedding, category: query.category }, controller.signal)
        : await this.#sendPhoto(query, controller.signal);
      if (isOutdated()) return;
      this.#show(() => showHits(answer), query);
      this.updateStale();
      byId('results-heading').focus({ preventScroll: true });
      byId('results').scrollIntoView({ block: 'start' });
    } catch (error) {
      if (isOutdated()) return;
      const problem = error instanceof Problem ? error : new Problem('other', '');
      this.#show(() => showProblem(problem, () => this.find(sendPhoto)));
    }
  }

  /** Sends the photo, or only its crop if there is a box, and records that it was sent. */
  async #sendPhoto({ photo, box, category }, signal) {
    const { image, crop, amount } = await photo.upload(box);
    if (signal.aborted) throw new DOMException('a newer search runs', 'AbortError');
    recordSent(photo, 'maybe');
    const confirmSent = () => recordSent(photo, amount);
    try {
      const answer = await search({ image, crop, category }, signal);
      confirmSent();
      return answer;
    } catch (error) {
      if (error instanceof Problem && error.status > 0) confirmSent();
      throw error;
    }
  }

  #query() {
    const subject = this.#currentSubject();
    if (!subject) return null;
    const category = byId('category').value || null;
    return { ...subject, category, key: JSON.stringify([subject.box, category]) };
  }

  #showWaiting(key) {
    this.#show(() => showSearching(key));
    announce(t(key));
  }

  #show(draw, shownQuery = null) {
    this.#shownQuery = shownQuery;
    this.#draw = draw;
    draw();
  }
}
