// Search panel: loads the search, its filters and its dialogs when they are needed, so that they do not delay the start of the page.

import { byId, el } from './dom.js';
import { t } from './i18n.js';
import { lazy } from './lazy.js';
import { confirmPhotosStay } from './privacy.js';
import { problemNotice } from './problems.js';

/** The search of the page, loaded on demand. */
export class SearchPanel {
  #tagger;
  #currentSubject;
  #loading = null; // promise of the search
  #search = null; // the search after it has loaded

  /**
   * @param {import('./tagger.js').StyleTagger} tagger
   * @param {() => {photo: import('./photo.js').Photo, box: {x, y, width, height}|null}|null} currentSubject returns the photo and
   *   the box to search for now
   */
  constructor(tagger, currentSubject) {
    this.#tagger = tagger;
    this.#currentSubject = currentSubject;
  }

  /** Opens the product, the comparison or the search in the URL, now and whenever the URL changes. */
  start() {
    if (location.hash.length > 1) this.prepare();
    else addEventListener('hashchange', () => this.prepare(), { once: true });
  }

  /** Loads the search ahead of its use. */
  prepare() {
    this.#load().catch(() => {}); // the next use reports the failure
  }

  /** Draws the results again, in the current language. */
  draw() {
    this.#search?.draw();
  }

  /** Aborts the search and hides the results. */
  clear() {
    if (this.#search) this.#search.clear();
    else byId('results').hidden = true;
  }

  /** Marks the results as out of date if the photo's box or the category is different now. */
  updateStale() {
    this.#search?.updateStale();
  }

  /** Finds the products closest to the photo, or to its box, and to the products of the query. */
  async find() {
    try {
      await this.#load();
    } catch {
      return this.#showFailure();
    }
    return this.#search.find();
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

  #load() {
    this.#loading ??= lazy('search', () => import('./search.js')).then(
      ({ Search }) => {
        this.#search = new Search(this.#tagger, (signal) => this.loadEncoder(signal), this.#currentSubject);
        this.#search.start();
      },
      (error) => {
        this.#loading = null;
        throw error;
      },
    );
    return this.#loading;
  }

  /** Shows that the search itself did not load. */
  #showFailure() {
    byId('results').hidden = false;
    byId('results-heading').textContent = t('results.failed');
    byId('results-body').replaceChildren(problemNotice({ code: navigator.onLine === false ? 'offline' : 'unreachable' }, el('button', { type: 'button', class: 'button', onclick: () => this.find() }, t('again'))));
  }
}
