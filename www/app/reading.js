// Reads the style of the photo, or of the box on it, and keeps the style panel up to date.

import { announce } from './dom.js';
import { t } from './i18n.js';
import { isUnmetered } from './intent.js';
import { keepModule } from './offline.js';
import { showBusy, showEmpty, showFailure, showLoading, showTags, verdict } from './tags-view.js';

/** How long a box has to rest before it is read, ms. */
const SETTLE = 400;

/** The style panel's state. */
export class Reading {
  #tagger;
  #finder;
  #draw = showEmpty;
  #asked = null; // what the panel is to show; an answer to anything else is too late
  #shown = null; // the reading shown
  #waits = false; // nothing is shown but that the photo is being read
  #timer;
  #fellBack = false;
  #downloaded = 0; // share of the weights, as shown last

  /**
   * @param {import('./model.js').Model} tagger
   * @param {import('./finder.js').Finder} finder fetches what it needs once a photo has been read
   */
  constructor(tagger, finder) {
    this.#tagger = tagger;
    this.#finder = finder;
    tagger.addEventListener('fallback', () => (this.#fellBack = true));
    tagger.addEventListener('progress', ({ detail }) => this.#progress(detail.loaded / detail.total));
  }

  /** Draws the panel again, in the language of now. */
  draw() {
    this.#draw();
  }

  /** Back to an empty panel. */
  clear() {
    this.#begin(null);
    this.#show(showEmpty);
  }

  /** Says that a photo is being opened. */
  opening() {
    if (!this.#asked) this.#show(() => showBusy('photo.opening'));
  }

  /** Takes back `opening`, where no photo came of it. */
  notOpened() {
    if (!this.#asked) this.#show(showEmpty);
  }

  /**
   * Reads a photo, or the box on it, and shows its style.
   * @param {import('./photo.js').Photo} photo
   * @param {{x, y, width, height}|null} box in pixels
   */
  async read(photo, box = null) {
    const mine = this.#begin(photo);
    this.#waits = !this.#shown;
    if (this.#waits) this.#show(() => showBusy('style.reading'));
    announce(t('style.reading'));
    try {
      const answer = await this.#tagger.tag(photo.pixels(box));
      const reading = { ...answer, part: box !== null, fellBack: this.#fellBack };
      if (!box) photo.reading = reading;
      keepModule(reading.backend);
      if (isUnmetered()) this.#finder.encodes().catch(() => {}); // said when a search asks for it
      if (mine === this.#asked) this.#answer(reading);
    } catch (error) {
      if (mine !== this.#asked) return;
      console.error('selvedge: no tags:', error.code, error.message);
      this.#waits = false;
      this.#show(() => showFailure(error.code, () => this.read(photo, box)));
    }
  }

  /** The box has changed: what is shown is of another one until this one has been read. */
  follow(photo, box) {
    const mine = this.#begin(photo);
    if (!box && photo.reading) return this.#answer(photo.reading);
    const shown = this.#shown;
    if (shown) this.#show(() => showTags(shown, true), shown);
    this.#timer = setTimeout(() => mine === this.#asked && this.read(photo, box), SETTLE);
  }

  #begin(photo) {
    clearTimeout(this.#timer);
    this.#waits = false;
    if (photo !== this.#asked?.photo) this.#shown = null;
    this.#asked = photo && { photo };
    return this.#asked;
  }

  #answer(reading) {
    this.#waits = false;
    this.#show(() => showTags(reading), reading);
    announce(t('style.announce', { styles: verdict(reading.tags) }));
  }

  #show(draw, reading = null) {
    this.#shown = reading;
    this.#draw = draw;
    draw();
  }

  /** Shows a download's progress while a photo waits for it, in steps an eye can follow. */
  #progress(share) {
    const step = Math.floor(share * 50) / 50;
    if (step === this.#downloaded) return;
    this.#downloaded = step;
    if (this.#waits) this.#show(step < 1 ? () => showLoading(step) : () => showBusy('style.reading'));
  }
}
