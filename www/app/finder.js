// The search: prepares the photo, or the box on it, asks the shop and shows the closest pieces; says when they are out of
// date.

import { Problem, search, searchByEmbedding } from './api.js';
import { announce, byId } from './dom.js';
import { percent, t } from './i18n.js';
import { photosStay, sent } from './privacy.js';
import { drawStale, hideResults, showHits, showProblem, showSearching, showUndescribed } from './results-view.js';

/** What the search was made for, and what it found. */
export class Finder {
  #encoder;
  #subject;
  #draw = hideResults;
  #running = null; // AbortController of the running search
  #found = null; // the query whose products are shown
  #preparing = false;

  /**
   * @param {import('./model.js').Model} encoder
   * @param {() => {photo: import('./photo.js').Photo, box: {x, y, width, height}|null}|null} subject what to search for now
   */
  constructor(encoder, subject) {
    this.#encoder = encoder;
    this.#subject = subject;
    encoder.addEventListener('progress', ({ detail: { loaded, total } }) => {
      if (this.#preparing && loaded < total) this.#show(() => showSearching('results.preparing', percent(loaded / total)));
    });
  }

  /** Draws the results again, in the language of now. */
  draw() {
    this.#draw();
    this.check();
  }

  /** Ends the search and takes the results away. */
  clear() {
    this.#running?.abort();
    this.#running = null;
    this.#preparing = false;
    this.#show(hideResults);
  }

  /** Compares what the products shown were searched for with what is chosen now. */
  check() {
    if (this.#found) drawStale(this.#found.key !== this.#query()?.key);
  }

  /** Whether this device prepares photos for the search itself; says so on the page once it is known. */
  async encodes() {
    try {
      await this.#encoder.load();
    } catch (error) {
      if (error.code !== 'absent') throw error;
      return false;
    }
    photosStay();
    return true;
  }

  /**
   * Finds the pieces closest to the photo, or to the box on it: by what this device makes of it, or, where the shop has no
   * query encoder or the visitor says `send`, by the photo or the box itself.
   */
  async find(send = false) {
    const query = this.#query();
    if (!query) return;
    this.#running?.abort();
    const mine = (this.#running = new AbortController());
    const late = () => mine !== this.#running || mine.signal.aborted;
    this.#wait('results.preparing');
    byId('results').scrollIntoView({ block: 'nearest' });
    let embedding = null;
    try {
      this.#preparing = true;
      if (!send && (await this.encodes()) && !late()) embedding = await this.#encoder.embed(query.photo.pixels(), query.box);
    } catch (error) {
      if (late()) return;
      if (error.code === 'unreachable') return this.#show(() => showProblem(new Problem('unreachable', ''), () => this.find()));
      // Never sent instead without being asked: the page has said that it stays.
      console.error('selvedge: no embedding:', error.code, error.message);
      const shop = ['unexpected', 'corrupt', 'bundle_invalid'].includes(error.code);
      return this.#show(() => showUndescribed(shop, () => this.find(), () => this.find(true)));
    } finally {
      if (!late()) this.#preparing = false;
    }
    if (late()) return;
    this.#wait('results.searching');
    try {
      const answer = embedding ? await searchByEmbedding({ ...embedding, category: query.category }, mine.signal) : await this.#send(query, mine.signal);
      if (late()) return;
      this.#show(() => showHits(answer), query);
      this.check();
      byId('results-heading').focus({ preventScroll: true });
      byId('results').scrollIntoView({ block: 'start' });
    } catch (error) {
      if (late()) return;
      const problem = error instanceof Problem ? error : new Problem('other', '');
      this.#show(() => showProblem(problem, () => this.find(send)));
    }
  }

  /** Sends the photo, or of a box only what is inside, and takes down that it was sent. */
  async #send({ photo, box, category }, signal) {
    const { image, crop, much } = await photo.upload(box);
    if (signal.aborted) throw new DOMException('a newer search runs', 'AbortError');
    sent(photo, 'maybe');
    const arrived = () => sent(photo, much);
    try {
      const answer = await search({ image, crop, category }, signal);
      arrived();
      return answer;
    } catch (error) {
      if (error instanceof Problem && error.status > 0) arrived();
      throw error;
    }
  }

  #query() {
    const subject = this.#subject();
    if (!subject) return null;
    const category = byId('category').value || null;
    return { ...subject, category, key: JSON.stringify([subject.box, category]) };
  }

  #wait(key) {
    this.#show(() => showSearching(key));
    announce(t(key));
  }

  #show(draw, found = null) {
    this.#found = found;
    this.#draw = draw;
    draw();
  }
}
