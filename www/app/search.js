// Search: prepares the query, asks the service and shows the products. A query is the photo or its crop box, products that
// the visitor wants more or less of, or both. It also marks results that are out of date.

import { watchAddress, writeSearch } from './address.js';
import { fetchProduct, Problem, search, searchByEmbedding, searchByExamples, searchNext } from './api.js';
import { drawCompare, watchCompare } from './compare-view.js';
import { LIMIT, MAX_LIMIT } from './config.js';
import { Criteria, SORTS } from './criteria.js';
import { announce, byId } from './dom.js';
import { Facets } from './facets.js';
import { FiltersView } from './filters-view.js';
import { formatPercent, t } from './i18n.js';
import { isUnmetered } from './intent.js';
import { meteredChoice, missingBytes, setMeteredChoice } from './metered.js';
import { recordSent } from './privacy.js';
import { productActions } from './product-card.js';
import { drawProduct, watchProduct } from './product-view.js';
import { showQuery } from './query-view.js';
import { isReadable } from './readback.js';
import { hideResults, setStale, showChoice, showNotPrepared, showProblem, showResults, showSearching } from './results-view.js';

/** Weights of the examples. Less is less than more, so that the query stays near what the visitor wants. */
const WEIGHTS = { like: 1, unlike: -0.5 };

/** Largest number of products in a query. The service takes 16 examples, one of which is the photo. */
const MAX_EXAMPLES = 15;

/** State of the search: the query, the running request and the results shown. */
export class Search {
  #tagger;
  #loadEncoder;
  #currentSubject;
  #criteria = new Criteria();
  #facets = new Facets();
  #filters = new FiltersView(this.#criteria, this.#facets, () => byId('category').value || null, () => this.#onCriteria());
  #examples = []; // {id, weight, product: object|null}
  #usesPhoto = false; // true after the visitor has searched with the photo, until it is taken out of the query
  #address = ''; // parameters of the URL that this state has
  #retry = null; // repeats a search that failed without a network
  #draw = hideResults;
  #running = null; // AbortController of the running search
  #shownQuery = null; // the query whose products are shown
  #results = null; // the products shown, and the cursor of the next ones
  #preparing = false;
  #waiting = false; // true while placeholders of products are shown
  #embedded = null; // {photo, key, embedding}: the last embedding
  #allowed = null; // {photo, key}: the photo and box that the visitor allowed to be sent
  #hasEncoder = false; // true after the encoder was loaded

  /**
   * @param {import('./tagger.js').StyleTagger} tagger
   * @param {(signal: AbortSignal) => Promise<boolean>} loadEncoder loads the encoder; resolves to false if the shop has none
   * @param {() => {photo: import('./photo.js').Photo, box: {x, y, width, height}|null}|null} currentSubject returns the photo and
   *   the box to search for now
   */
  constructor(tagger, loadEncoder, currentSubject) {
    this.#tagger = tagger;
    this.#loadEncoder = loadEncoder;
    this.#currentSubject = currentSubject;
    tagger.addEventListener('progress', ({ detail: { model, loaded, total } }) => {
      if (this.#preparing && model === 'encoder' && loaded < total) this.#show(() => showSearching('results.preparing', formatPercent(loaded / total)), null, true);
    });
    for (const action of ['like', 'unlike']) productActions.addEventListener(action, ({ detail }) => this.#addExample(detail, WEIGHTS[action]));
    addEventListener('online', () => this.#retry?.());
  }

  /** Follows the URL: opens the product, the comparison or the search in it. */
  start() {
    byId('category').addEventListener('change', () => this.#filters.draw());
    watchProduct();
    watchCompare();
    watchAddress((params) => this.#followAddress(params));
  }

  /** Draws the results again, in the current language. */
  draw() {
    this.#redraw();
    this.updateStale();
    drawProduct();
    drawCompare();
  }

  /** Aborts the search, hides the results and forgets the products of the query. The filters stay. */
  clear() {
    this.#examples = [];
    this.#usesPhoto = false;
    this.#embedded = this.#allowed = null;
    this.#writeAddress(false);
    this.#hide();
  }

  /** Marks the results as out of date if the photo's box or the category is different now. */
  updateStale() {
    if (this.#shownQuery) setStale(this.#shownQuery.key !== this.#query()?.key);
  }

  /** Finds the products closest to the photo, or to its box, and to the products of the query. */
  find() {
    this.#usesPhoto = true;
    return this.#find();
  }

  /**
   * Finds the products closest to the query. Of a photo it sends an embedding computed on this device. It sends the photo or
   * the crop itself if the shop has no query encoder, or if the visitor allows it (`sendPhoto`).
   * @param {{sendPhoto?: boolean, stay?: boolean, limit?: number}} [how] `stay` leaves focus and scroll position as they are;
   *   `limit` replaces products that are shown already, so their cards stay until the answer is there
   */
  async #find({ sendPhoto = false, stay = false, limit } = {}) {
    const query = this.#query();
    if (!query) return;
    this.#running?.abort();
    const controller = (this.#running = new AbortController());
    const isOutdated = () => controller !== this.#running || controller.signal.aborted;
    const retry = () => this.#find({ sendPhoto });
    this.#retry = null;
    this.#writeAddress(false);
    const facets = this.#facets.ready ? this.#loadFacets(query) : null;
    if (sendPhoto) this.#allowed = query;
    if (!limit) this.#showWaiting('results.preparing');
    if (!stay) byId('results').scrollIntoView({ block: 'nearest' });
    let embedding = null;
    try {
      const download = await this.#meteredDownload(query);
      if (isOutdated()) return;
      const choice = download > 0 ? meteredChoice() : 'download';
      if (!choice) return await this.#askForChoice(query, download, isOutdated);
      if (choice === 'send') this.#allowed = query;
      this.#preparing = !limit;
      if (query.photo && !isSame(this.#allowed, query)) embedding = await this.#embed(query, controller.signal);
    } catch (error) {
      if (isOutdated()) return;
      if (error.code === 'unreachable') return this.#showProblem(new Problem(navigator.onLine === false ? 'offline' : 'unreachable', ''), retry, query);
      // The photo is not sent without asking: the page has said that it stays on the device.
      console.error('selvedge: no embedding:', error.code, error.message);
      const incompleteShop = ['unexpected', 'corrupt', 'bundle_invalid'].includes(error.code);
      return this.#show(() => showNotPrepared(incompleteShop, !isReadable(), retry, () => this.#find({ sendPhoto: true })));
    } finally {
      if (!isOutdated()) this.#preparing = false;
    }
    if (isOutdated()) return;
    if (!limit) this.#showWaiting('results.searching');
    try {
      const answer = await this.#ask(query, embedding, limit, controller.signal);
      if (isOutdated()) return;
      const before = limit ? this.#results?.hits.length : 0;
      this.#showAnswer(answer, query);
      if (before) this.#focusCard(before);
      else if (!stay) {
        byId('results-heading').focus({ preventScroll: true });
        byId('results').scrollIntoView({ block: 'start' });
      }
      await facets;
      if (!isOutdated() && this.#facets.incomplete) await this.#loadFacets(query);
    } catch (error) {
      if (isOutdated()) return;
      this.#showProblem(error instanceof Problem ? error : new Problem('other', ''), retry, query);
    }
  }

  /** Returns the size of the download that the query needs on a metered connection, bytes. */
  async #meteredDownload(query) {
    if (!query.photo || isSame(this.#allowed, query) || this.#hasEncoder || isUnmetered()) return 0;
    return (await missingBytes('query-encoder')) ?? 0;
  }

  /** Lets the visitor choose between the download of the encoder and the upload of the photo. The choice is remembered. */
  async #askForChoice(query, download, isOutdated) {
    const { image } = await query.photo.upload(query.box);
    if (isOutdated()) return;
    const choose = (choice) => () => {
      setMeteredChoice(choice);
      this.#find();
    };
    this.#show(() => showChoice({ download, upload: image.size }, choose('download'), choose('send')));
  }

  /** Computes the embedding of the query's photo, or takes the last one. Resolves to null if the shop has no query encoder. */
  async #embed(query, signal) {
    if (isSame(this.#embedded, query)) return this.#embedded.embedding;
    if (!(await this.#loadEncoder(signal))) return null;
    this.#hasEncoder = true;
    const { photo, box } = query;
    const embedding = await this.#tagger.embed(photo, { box, signal });
    this.#embedded = { ...query, embedding };
    return embedding;
  }

  /** Sends the query. A photo without an embedding cannot be combined with products, so the products alone are sent. */
  #ask(query, embedding, limit, signal) {
    const { examples, category, filter } = query;
    const options = { category, filter, limit: limit ?? this.#pageSize() };
    if (examples.length === 0) return embedding ? searchByEmbedding(embedding, options, signal) : this.#sendPhoto(query, options, signal);
    const wire = examples.map(({ id, weight }) => ({ id, weight }));
    query.unusable = query.photo !== null && !embedding;
    return searchByExamples(embedding ? [{ embedding, weight: 1 }, ...wire] : wire, options, signal);
  }

  /** Sends the photo, or only its crop if there is a box, and records that it was sent. */
  async #sendPhoto({ photo, box }, options, signal) {
    const { image, crop, amount } = await photo.upload(box);
    if (signal.aborted) throw new DOMException('a newer search runs', 'AbortError');
    recordSent(photo, 'maybe');
    const confirmSent = () => recordSent(photo, amount);
    try {
      const answer = await search({ image, crop }, options, signal);
      confirmSent();
      return answer;
    } catch (error) {
      if (error instanceof Problem && error.status > 0) confirmSent();
      throw error;
    }
  }

  #showAnswer(answer, query) {
    const { hits, floor, confidence, next = null, category } = answer;
    const results = { hits: [...hits], floor, confidence, next, loading: false, problem: null };
    const guess = !query.category && category ? category : null;
    const ofPhoto = query.photo !== null && !query.unusable;
    const clearFilters = () => this.#filters.clear();
    this.#results = results;
    this.#facets.learn(hits.map(({ product }) => product).filter(Boolean));
    this.#show(() => {
      const view = { ...results, hasMore: results.next !== null, sort: this.#criteria.sort, filtered: isFiltered(query), ofPhoto, guess };
      showResults(view, { more: () => this.#more(results), clearFilters });
      drawCompare();
    }, query);
    this.updateStale();
    announce(hits.length > 0 ? t('results.count', { n: hits.length }) : t('results.far'));
  }

  /** Loads the next products. If the shop has changed its model meanwhile, asks again instead. */
  async #more(results) {
    if (results.loading || results !== this.#results) return;
    const controller = (this.#running = new AbortController());
    const isOutdated = () => controller !== this.#running || controller.signal.aborted;
    const before = results.hits.length;
    const show = (change) => {
      Object.assign(results, change);
      this.#redraw();
    };
    show({ loading: true, problem: null });
    try {
      const answer = await searchNext(results.next, this.#pageSize(), controller.signal);
      if (isOutdated()) return;
      this.#facets.learn(answer.hits.map(({ product }) => product).filter(Boolean));
      show({ loading: false, hits: [...results.hits, ...answer.hits], next: answer.next ?? null });
      announce(t('results.count', { n: results.hits.length }));
      this.#focusCard(before);
    } catch (error) {
      if (isOutdated()) return;
      if (error.code === 'stale_cursor') return this.#find({ stay: true, limit: Math.min(MAX_LIMIT, before + LIMIT) });
      show({ loading: false, problem: error instanceof Problem ? error : new Problem('other', '') });
      byId('more').focus();
    } finally {
      this.updateStale();
    }
  }

  /** Focuses the first product that was added. Sorted products may be anywhere, so then the focus goes to the heading. */
  #focusCard(at) {
    const links = document.querySelectorAll('#results-body .card-link');
    const target = this.#criteria.sort === SORTS[0] ? links[at] : null;
    (target ?? byId('more') ?? byId('results-heading')).focus({ preventScroll: target === null });
  }

  /** Number of products to ask for. A price order needs many products to be worth anything. */
  #pageSize() {
    return this.#criteria.sort === SORTS[0] ? LIMIT : MAX_LIMIT;
  }

  #showProblem(problem, retry, query) {
    if (problem.code === 'offline') this.#retry = retry;
    this.#show(() => showProblem(problem, { retry, ofPhoto: query.photo !== null, clearFilters: isFiltered(query) ? () => this.#filters.clear() : null }));
    announce(t('results.failed'));
  }

  async #loadFacets({ category, filter }) {
    if (await this.#facets.load({ category, filter })) this.#filters.draw();
  }

  /** Searches again after a change of filters or order. */
  #onCriteria() {
    this.#writeAddress(false);
    this.#find({ stay: true });
  }

  /** Adds a product to the query. A product that is in the query already changes its weight. */
  #addExample(product, weight) {
    const others = this.#examples.filter(({ id }) => id !== product.id);
    const hasOther = this.#usedSubject() !== null || others.some((example) => example.weight > 0);
    if (weight < 0 && !hasOther) return announce(t('query.needs_like'));
    this.#facets.learn([product]);
    this.#setExamples([...others, { id: product.id, weight, product }].slice(-MAX_EXAMPLES));
  }

  #removeExample(example) {
    if (example === null) this.#usesPhoto = false;
    this.#setExamples(this.#examples.filter((other) => other !== example));
  }

  #setExamples(examples) {
    this.#examples = examples;
    const query = this.#query();
    if (!query) this.#examples = []; // less alone is no query
    this.#writeAddress(true);
    if (query) return this.#find();
    this.#hide();
    byId('main').focus();
  }

  /** Follows a search in the URL. Products without a name get theirs from the service. */
  #followAddress(params) {
    if (params.toString() === this.#address) return;
    const known = new Map(this.#examples.map((example) => [example.id, example]));
    const wanted = [...params].filter(([key, id]) => key in WEIGHTS && id).slice(-MAX_EXAMPLES);
    this.#examples = wanted.map(([key, id]) => ({ id, weight: WEIGHTS[key], product: known.get(id)?.product ?? null }));
    this.#criteria.read(params);
    byId('category').value = params.get('among') ?? '';
    this.#address = params.toString();
    for (const example of this.#examples) if (!example.product) this.#nameExample(example);
    if (this.#query()) this.#find();
    else this.#hide();
  }

  async #nameExample(example) {
    try {
      example.product = { ...(await fetchProduct(example.id)), id: example.id };
      this.#facets.learn([example.product]);
      this.#drawQuery();
    } catch {
      // the chip shows the id; the search reports an unknown product
    }
  }

  #addressOf() {
    const params = new URLSearchParams();
    for (const { id, weight } of this.#examples) params.append(weight > 0 ? 'like' : 'unlike', id);
    if (byId('category').value) params.set('among', byId('category').value);
    this.#criteria.write(params);
    return params;
  }

  #writeAddress(push) {
    const params = this.#addressOf();
    if (params.toString() === this.#address) return;
    this.#address = params.toString();
    writeSearch(params, push);
  }

  #usedSubject() {
    return this.#usesPhoto ? this.#currentSubject() : null;
  }

  /** Returns the query that the page shows now, or null. It needs the photo or a product to look for. */
  #query() {
    const { photo = null, box = null } = this.#usedSubject() ?? {};
    if (!photo && !this.#examples.some(({ weight }) => weight > 0)) return null;
    const category = byId('category').value || null;
    return { photo, box, examples: this.#examples, category, filter: this.#criteria.filter(), unusable: false, key: JSON.stringify([box, category]) };
  }

  #hide() {
    this.#running?.abort();
    this.#running = null;
    this.#preparing = false;
    this.#show(hideResults);
  }

  #showWaiting(key) {
    this.#show(() => showSearching(key), null, true);
    announce(t(key));
  }

  #show(draw, shownQuery = null, waiting = false) {
    if (shownQuery === null) this.#results = null;
    this.#shownQuery = shownQuery;
    this.#waiting = waiting;
    this.#draw = draw;
    this.#redraw();
  }

  #redraw() {
    this.#draw();
    this.#drawQuery();
    this.#filters.show(this.#draw !== hideResults, this.#waiting);
  }

  #drawQuery() {
    if (this.#draw === hideResults) return;
    const query = this.#shownQuery ?? this.#query();
    if (query) showQuery({ ...query, examples: this.#examples }, (example) => this.#removeExample(example));
  }
}

/** True if filters or a category restrict a query. */
const isFiltered = ({ filter, category }) => filter !== undefined || category !== null;

/** True if a remembered photo and box are those of the query. */
const isSame = (remembered, { photo, box }) => remembered !== null && remembered.photo === photo && JSON.stringify(remembered.box) === JSON.stringify(box);
