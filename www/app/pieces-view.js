// Pieces of the outfit in the photo: outlines on the photo, and a button per piece that searches for it.
//
// The segmenter runs on this device. It is loaded after the photo has been tagged, and only if the shop offers one. On a metered
// connection a button downloads it.

import { byId, el } from './dom.js';
import { formatSize, t, term } from './i18n.js';
import { isUnmetered } from './intent.js';
import { missingBytes } from './metered.js';

/** Pieces that the page shows at most. */
const MOST = 8;

/** Category of the products like a piece, by the piece's class. The other classes have the category `other`. */
const CATEGORY = { top: 'tops', outerwear: 'tops', dress: 'tops', shoes: 'shoes', bag: 'bags' };

/** Outlines and buttons of a photo's pieces. Dispatches `choose`; its `detail` has the `box` in pixels of the photo and the `category`. */
export class PiecesView extends EventTarget {
  #tagger;
  #photo = null; // the photo whose pieces are wanted
  #pieces = [];
  #outlines = el('div', { class: 'pieces', 'aria-hidden': 'true' });
  #missing = null; // promise of the size of the download, or of null if the shop has no segmenter
  #offer = null; // {bytes, accept}: the download that waits for the visitor

  /** @param {import('./tagger.js').StyleTagger} tagger */
  constructor(tagger) {
    super();
    this.#tagger = tagger;
  }

  /** Layer over the photo. */
  get element() {
    return this.#outlines;
  }

  /** Removes all pieces. */
  clear() {
    this.#photo = null;
    this.#pieces = [];
    this.#offer = null;
    this.draw();
  }

  /**
   * Finds the pieces of a photo and shows them. A failure only hides them, because the page works without them.
   * @param {import('./photo.js').Photo} photo
   * @param {AbortSignal} signal aborted when another photo replaces this one
   * @param {boolean} [accepted] true if the visitor wants the download
   */
  async find(photo, signal, accepted = false) {
    this.clear();
    this.#photo = photo;
    // Without a segmenter it is not loaded, so that the console shows no failed request.
    const bytes = await (this.#missing ??= missingBytes('segmenter'));
    if (bytes === null || photo !== this.#photo) return;
    if (bytes > 0 && !accepted && !isUnmetered()) {
      this.#offer = { bytes, accept: () => this.find(photo, signal, true) };
      return this.draw();
    }
    this.#missing = Promise.resolve(0);
    try {
      const { pieces } = await this.#tagger.pieces(photo, { signal });
      if (photo !== this.#photo) return;
      this.#pieces = pieces.slice(0, MOST);
      this.draw();
    } catch (error) {
      if (!signal.aborted && !['absent', 'unreachable'].includes(error.code)) console.error('selvedge: no pieces:', error.code, error.message);
    }
  }

  /** Returns the smallest piece at a position in fractions of the photo's sides, or null. */
  at({ x, y }) {
    const { width = 0, height = 0 } = this.#photo ?? {};
    const holds = ({ box }) => x * width >= box.x && x * width <= box.x + box.width && y * height >= box.y && y * height <= box.y + box.height;
    const area = ({ box }) => box.width * box.height;
    return this.#pieces.filter(holds).sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  /** Searches for a piece among the products of its category. */
  choose(piece) {
    this.dispatchEvent(new CustomEvent('choose', { detail: { box: piece.box, category: CATEGORY[piece.class] ?? 'other' } }));
  }

  /** Draws outlines and buttons in the current language. */
  draw() {
    const list = byId('piece-list');
    byId('pieces').hidden = this.#pieces.length === 0 && !this.#offer;
    const outlines = this.#pieces.map(({ box }) => {
      const outline = el('div', { class: 'piece' });
      outline.style.setProperty('--left', box.x / this.#photo.width);
      outline.style.setProperty('--top', box.y / this.#photo.height);
      outline.style.setProperty('--right', (box.x + box.width) / this.#photo.width);
      outline.style.setProperty('--bottom', (box.y + box.height) / this.#photo.height);
      return outline;
    });
    this.#outlines.replaceChildren(...outlines);
    const buttons = this.#pieces.map((piece, index) => {
      const name = term('piece', piece.class);
      const mark = (on) => () => outlines[index].classList.toggle('marked', on);
      return el('button', {
        type: 'button', class: 'button', 'aria-label': t('pieces.search', { piece: name }), onclick: () => this.choose(piece),
        onmouseenter: mark(true), onmouseleave: mark(false), onfocus: mark(true), onblur: mark(false),
      }, name);
    });
    if (this.#offer) buttons.push(el('button', { type: 'button', class: 'button', onclick: this.#offer.accept }, t('pieces.load', { size: formatSize(this.#offer.bytes) })));
    list.replaceChildren(...buttons.map((button) => el('li', {}, button)));
  }
}
