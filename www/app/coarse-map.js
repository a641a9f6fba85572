// Coarse map of the parts of the photo that decided a label. It is computed on this device, on request.
//
// Every cell of a grid is covered with grey once, and the tagger tags the covered photo. A cell has weight if the label becomes
// less probable without it. The cells are large, and a covered photo differs from all photos that the tagger has learnt from,
// so the map shows tendencies only. The page says so.

import { announce, byId, el } from './dom.js';
import { formatPercent, joinList, t, term } from './i18n.js';

/** Cells per side of the grid. */
const SIDE = 7;

/** Longest side of the photo for the map, pixels. It exceeds the input of the tagger. */
const MAX_PIXELS = 320;

const GREY = '#808080';

/** Sum of a label's weights, in logits, below which no part decided it. */
const LEAST_WEIGHT = 0.25;

/** Smallest share of the weight for which a region is named in words. */
const LEAST_SHARE = 0.1;

/** Names of the rows and columns of a region in words. The grid has two, three and two cells for each. */
const ROWS = ['top', 'middle', 'bottom'];
const COLUMNS = ['left', 'centre', 'right'];
const thirdOf = (cell) => (cell < 2 ? 0 : cell < 5 ? 1 : 2);

/** Map of one photo, or of a box on it. `element` has the controls and the words. The cells lie over the photo. */
export class CoarseMap {
  element = el('div', { class: 'map' });
  #cells = el('div', { class: 'map-cells', 'aria-hidden': 'true' });
  #tagger;
  #photo;
  #box;
  #choices;
  #chosen;
  #weights = null; // key of a label → weight per cell
  #state = 'running'; // 'running', 'done' or 'failed'
  #done = 0; // cells computed
  #ms = 0;
  #controller = new AbortController(); // aborted when the map is closed
  #onClose;

  /**
   * @param {import('./tagger.js').StyleTagger} tagger
   * @param {import('./photo.js').Photo} photo
   * @param {{x, y, width, height}|null} box in pixels
   * @param {{group?: string, id: string}[]} choices labels to show a map for
   * @param {() => void} onClose called after the map was closed or cancelled
   */
  constructor(tagger, photo, box, choices, onClose) {
    this.#tagger = tagger;
    this.#photo = photo;
    this.#box = box ?? { x: 0, y: 0, width: photo.width, height: photo.height };
    this.#choices = choices;
    this.#chosen = keyOf(choices[0]);
    this.#onClose = onClose;
  }

  /** Computes the map and shows it. */
  async run() {
    const begun = performance.now();
    this.draw();
    try {
      this.#weights = await this.#compute();
      this.#state = 'done';
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      console.error('selvedge: no map:', error.code, error.message);
      this.#state = 'failed';
    }
    this.#ms = performance.now() - begun;
    this.draw();
    announce(this.#state === 'done' ? this.#words() : t('map.failed'));
  }

  /** Ends the computation and removes the map. */
  close() {
    if (this.#controller.signal.aborted) return;
    this.#controller.abort();
    this.#cells.remove();
    this.#onClose();
  }

  /** Draws controls, words and cells in the current language. */
  draw() {
    const focused = this.element.contains(document.activeElement) || this.#done === 0;
    this.#fill();
    if (focused) this.element.querySelector('button').focus({ preventScroll: true });
  }

  #fill() {
    const close = el('button', { type: 'button', class: 'button', onclick: () => this.close() }, t(this.#state === 'running' ? 'map.cancel' : 'map.close'));
    if (this.#state === 'running') {
      const progress = el('progress', { max: SIDE * SIDE, value: this.#done, 'aria-label': t('map.progress') });
      return this.element.replaceChildren(el('p', { class: 'hint' }, t('map.running')), progress, close);
    }
    if (this.#state === 'failed') return this.element.replaceChildren(el('p', { class: 'notice error', role: 'alert' }, t('map.failed')), close);
    const select = el('select', { id: 'map-label', onchange: () => this.#choose(select.value) }, ...this.#choices.map((label) => el('option', { value: keyOf(label) }, term('label', label.id))));
    select.value = this.#chosen;
    const field = el('div', { class: 'field' }, el('label', { for: 'map-label' }, t('map.label')), select);
    const time = this.#ms < 1000 ? t('ms', { n: Math.round(this.#ms) }) : t('seconds', { n: (this.#ms / 1000).toFixed(1) });
    this.element.replaceChildren(field, el('p', { id: 'map-words' }, this.#words()), el('p', { class: 'hint' }, t('map.coarse', { n: SIDE * SIDE, time })), close);
    this.#drawCells();
  }

  #choose(key) {
    this.#chosen = key;
    byId('map-words').textContent = this.#words();
    announce(this.#words());
    this.#drawCells();
  }

  #drawCells() {
    const weights = this.#weights.get(this.#chosen);
    const most = sum(weights) < LEAST_WEIGHT ? Infinity : Math.max(...weights);
    const { x, y, width, height } = this.#box;
    this.#cells.style.setProperty('--left', x / this.#photo.width);
    this.#cells.style.setProperty('--top', y / this.#photo.height);
    this.#cells.style.setProperty('--right', (x + width) / this.#photo.width);
    this.#cells.style.setProperty('--bottom', (y + height) / this.#photo.height);
    const cells = weights.map((weight) => {
      const cell = el('span', { 'data-weight': weight.toFixed(4) });
      cell.style.setProperty('--weight', (weight / most).toFixed(3));
      return cell;
    });
    this.#cells.replaceChildren(...cells);
    byId('frame').append(this.#cells);
  }

  /** Returns the text alternative: the regions with the most weight. */
  #words() {
    const weights = this.#weights.get(this.#chosen);
    const label = term('label', this.#choices.find((choice) => keyOf(choice) === this.#chosen).id);
    const total = sum(weights);
    if (total < LEAST_WEIGHT) return t('map.nothing', { label });
    const regions = new Map();
    weights.forEach((weight, cell) => {
      const name = `map.${ROWS[thirdOf(Math.floor(cell / SIDE))]}_${COLUMNS[thirdOf(cell % SIDE)]}`;
      regions.set(name, (regions.get(name) ?? 0) + weight / total);
    });
    const largest = [...regions].sort(([, a], [, b]) => b - a).slice(0, 3).filter(([, share], at) => at === 0 || share >= LEAST_SHARE);
    return t('map.words', { label, regions: joinList(largest.map(([name, share]) => t('map.region', { region: t(name), share: formatPercent(share) }))) });
  }

  async #compute() {
    const canvas = document.createElement('canvas');
    const { x, y, width, height } = this.#box;
    const scale = Math.min(1, MAX_PIXELS / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const context = canvas.getContext('2d', { alpha: false });
    const tagWithout = async (cell) => {
      context.drawImage(this.#photo.canvas, x, y, width, height, 0, 0, canvas.width, canvas.height);
      context.fillStyle = GREY;
      const edge = (index, length) => Math.round((index * length) / SIDE);
      const [column, row] = [cell % SIDE, Math.floor(cell / SIDE)];
      const [left, top] = [edge(column, canvas.width), edge(row, canvas.height)];
      if (cell >= 0) context.fillRect(left, top, edge(column + 1, canvas.width) - left, edge(row + 1, canvas.height) - top);
      const { tags } = await this.#tagger.tag(canvas, { signal: this.#controller.signal });
      return new Map(tags.map((tag) => [keyOf(tag), logit(tag.prob)]));
    };
    const whole = await tagWithout(-1);
    const weights = new Map(this.#choices.map((label) => [keyOf(label), []]));
    for (let cell = 0; cell < SIDE * SIDE; cell++) {
      const covered = await tagWithout(cell);
      for (const [key, list] of weights) list.push(Math.max(0, whole.get(key) - covered.get(key)));
      this.#done = cell + 1;
      const progress = this.element.querySelector('progress');
      if (progress) progress.value = this.#done;
    }
    return weights;
  }
}

const keyOf = ({ group = '', id }) => `${group}/${id}`;
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Returns the logit of a probability. Probabilities of 0 and 1 give large finite values. */
function logit(prob) {
  const inside = Math.min(Math.max(prob, 1e-6), 1 - 1e-6);
  return Math.log(inside / (1 - inside));
}
