// Style panel: recognises the style of the photo or of the crop box, and keeps the panel up to date.

import { announce, byId } from './dom.js';
import { formatPercent, t } from './i18n.js';
import { isUnmetered } from './intent.js';
import { lazy } from './lazy.js';
import { cacheModule } from './offline.js';
import { mappedLabels, showBusy, showEmpty, showFailure, showLoading, showTags, verdict } from './tags-view.js';

/** Time without changes of the box before it is tagged, ms. */
const SETTLE = 400;

/** State of the style panel. */
export class StylePanel {
  #tagger;
  #searchPanel;
  #draw = showEmpty;
  #request = null; // {photo, controller} of the current request; older ones are aborted
  #shown = null; // the result shown
  #waiting = false; // true while the panel only shows that the model works
  #timer;
  #map = null; // the CoarseMap shown
  #fellBack = false;
  #downloaded = 0; // fraction of the weights in the last progress shown

  /**
   * @param {import('./tagger.js').StyleTagger} tagger
   * @param {import('./search-panel.js').SearchPanel} searchPanel loads its encoder after a photo has been tagged
   */
  constructor(tagger, searchPanel) {
    this.#tagger = tagger;
    this.#searchPanel = searchPanel;
    tagger.addEventListener('fallback', () => (this.#fellBack = true));
    tagger.addEventListener('progress', ({ detail: { model, loaded, total } }) => model === 'tagger' && this.#showProgress(loaded / total));
  }

  /** Draws the panel again, in the current language. */
  draw() {
    this.#map?.draw();
    this.#draw();
  }

  /** Empties the panel. */
  clear() {
    this.#begin(null);
    this.#show(showEmpty);
  }

  /** Shows that a photo is being opened. */
  showOpening() {
    if (!this.#request) this.#show(() => showBusy('photo.opening'));
  }

  /** Reverts `showOpening` if the photo could not be opened. */
  cancelOpening() {
    if (!this.#request) this.#show(showEmpty);
  }

  /**
   * Recognises the style of a photo or of a box on it, and shows it.
   * @param {import('./photo.js').Photo} photo
   * @param {{x, y, width, height}|null} box in pixels
   */
  async recognise(photo, box = null) {
    const request = this.#begin(photo);
    this.#waiting = !this.#shown;
    if (this.#waiting) this.#show(() => showBusy('style.recognising'));
    announce(t('style.recognising'));
    try {
      const answer = await this.#tagger.tag(photo, { box, signal: request.controller.signal });
      const result = { ...answer, part: box !== null, box, fellBack: this.#fellBack };
      if (!box) photo.result = result;
      cacheModule(result.backend);
      if (isUnmetered()) this.#searchPanel.loadEncoder().catch(() => {}); // a search reports the failure
      this.#showResult(result);
    } catch (error) {
      if (request !== this.#request) return;
      console.error('selvedge: no tags:', error.code, error.message);
      this.#waiting = false;
      this.#show(() => showFailure(error.code, () => this.recognise(photo, box)));
    }
  }

  /** Marks the result as out of date after a change of the box, and tags the new box when it has settled. */
  follow(photo, box) {
    this.#begin(photo);
    if (!box && photo.result) return this.#showResult(photo.result);
    const shown = this.#shown;
    if (shown) this.#show(() => showTags(shown, { stale: true }), shown);
    this.#timer = setTimeout(() => this.recognise(photo, box), SETTLE);
  }

  #begin(photo) {
    clearTimeout(this.#timer);
    this.#map?.close();
    this.#waiting = false;
    if (photo !== this.#request?.photo) this.#shown = null;
    this.#request?.controller.abort();
    this.#request = photo && { photo, controller: new AbortController() };
    return this.#request;
  }

  #showResult(result) {
    this.#waiting = false;
    this.#show(() => showTags(result, { explain: () => this.#explain(result), map: this.#map?.element }), result);
    announce(t('style.announce', { styles: verdict(result) }));
  }

  /** Shows a coarse map of the parts of the photo that decided a label. A newer request closes it. */
  async #explain(result) {
    const request = this.#request;
    const { CoarseMap } = await lazy('coarse-map', () => import('./coarse-map.js'));
    if (request !== this.#request || this.#map) return;
    const map = new CoarseMap(this.#tagger, request.photo, result.box, mappedLabels(result), () => {
      this.#map = null;
      this.#draw();
      byId('explain')?.focus();
    });
    this.#map = map;
    this.#draw();
    await map.run();
  }

  #show(draw, result = null) {
    this.#shown = result;
    this.#draw = draw;
    draw();
  }

  /** Shows the progress of a download while a photo waits for it, in steps of 2 %. */
  #showProgress(fraction) {
    const step = Math.floor(fraction * 50) / 50;
    if (step === this.#downloaded) return;
    const passedHalf = this.#downloaded < 0.5 && step >= 0.5 && step < 1;
    this.#downloaded = step;
    if (!this.#waiting) return;
    if (passedHalf) announce(t('style.loading', { share: formatPercent(step) }));
    this.#show(step < 1 ? () => showLoading(step) : () => showBusy('style.recognising'));
  }
}
