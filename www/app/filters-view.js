// View of the filters: the panel with the values and their counts, the chips of the active filters, and the order.

import { SORTS } from './criteria.js';
import { byId, el } from './dom.js';
import { formatNumber, formatPrice, t } from './i18n.js';
import { fieldName, valueName } from './names.js';

/** Number of values of a field that are shown before a button shows all. */
const FIRST_VALUES = 8;

/** Number of fields that are unfolded at first. */
const UNFOLDED = 3;

/** Width from which the panel stands beside the products, as in shop.css. */
const WIDE = matchMedia('(min-width: 64rem)');

/** Filters of the results. Draws into `#filters`, `#filters-bar` and `#active-filters`. */
export class FiltersView {
  #criteria;
  #facets;
  #onChange;
  #getCategory;
  #open = null; // true or false after the visitor has opened or closed the panel
  #unfolded = new Map(); // field → true or false, after the visitor has folded it
  #complete = new Set(); // fields whose values are all shown
  #shown = false;
  #waiting = false; // true while a search runs

  /**
   * @param {import('./criteria.js').Criteria} criteria
   * @param {import('./facets.js').Facets} facets
   * @param {() => string|null} getCategory returns the category of the search
   * @param {() => void} onChange called after a change of the criteria or of the category
   */
  constructor(criteria, facets, getCategory, onChange) {
    this.#criteria = criteria;
    this.#facets = facets;
    this.#getCategory = getCategory;
    this.#onChange = onChange;
    WIDE.addEventListener('change', () => this.draw());
  }

  /** Shows or hides the filters. `waiting` is true while a search runs. */
  show(shown, waiting) {
    this.#shown = shown;
    this.#waiting = waiting;
    this.draw();
  }

  /** Draws the filters again. The focus stays on the same control. A number that is being typed is not replaced. */
  draw() {
    const { committed, key } = document.activeElement?.dataset ?? {};
    const typing = committed !== undefined && document.activeElement.value !== committed;
    this.#drawBar();
    if (!typing) this.#drawPanel();
    this.#drawChips();
    if (!key || typing) return;
    const again = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    (again ?? byId('results-heading')).focus({ preventScroll: true });
  }

  /** True if the panel can be shown. It shows placeholders before the first counts, if counts can still come. */
  get #hasPanel() {
    const { list, ready } = this.#facets;
    return this.#shown && (list === null ? this.#waiting || ready : this.#groups().length > 0);
  }

  get #isOpen() {
    return this.#hasPanel && (this.#open ?? WIDE.matches);
  }

  #drawBar() {
    const { size, sort } = this.#criteria;
    const hasPrices = this.#facets.exponents.size > 0;
    const toggle = el(
      'button',
      { type: 'button', class: 'button', id: 'filters-button', 'data-key': 'filters-button', 'aria-expanded': String(this.#isOpen), 'aria-controls': 'filters', onclick: () => this.#setOpen(!this.#isOpen) },
      size > 0 ? t('filter.button_active', { n: formatNumber(size) }) : t('filter.button'),
    );
    const options = SORTS.map((id) => el('option', { value: id }, t(`sort.${id}`)));
    const select = el('select', { id: 'sort', 'data-key': 'sort', onchange: ({ target }) => this.#change(() => (this.#criteria.sort = target.value)) }, ...options);
    select.value = sort;
    const bar = byId('filters-bar');
    bar.hidden = !this.#shown;
    bar.replaceChildren(...[this.#hasPanel && toggle, hasPrices && el('div', { class: 'field sort' }, el('label', { for: 'sort' }, t('sort.label')), select)].filter(Boolean));
  }

  #drawPanel() {
    const panel = byId('filters');
    panel.hidden = !this.#isOpen;
    byId('results-columns').classList.toggle('with-filters', this.#isOpen);
    if (!this.#isOpen) return panel.replaceChildren();
    const done = !WIDE.matches && el('button', { type: 'button', class: 'button primary', id: 'filters-done', onclick: () => this.#setOpen(false) }, t('filter.done'));
    const skeleton = Array.from({ length: 5 }, () => el('span', { class: 'skeleton line' }));
    const content = this.#facets.list === null ? [el('div', { 'aria-hidden': 'true' }, ...skeleton)] : this.#groups().map((group, i) => this.#group(group, i));
    panel.replaceChildren(el('h3', { id: 'filters-heading', class: 'visually-hidden' }, t('filter.heading')), ...content, ...[done].filter(Boolean));
  }

  #setOpen(open) {
    this.#open = open;
    this.draw();
    if (!open) byId('filters-button').focus();
  }

  #drawChips() {
    const chips = this.#shown ? this.#criteria.list() : [];
    const category = this.#shown ? this.#getCategory() : null;
    const list = chips.map((condition) => {
      const text = describe(condition, this.#facets.exponents);
      return el('li', {}, chip(text, () => this.#remove(condition)));
    });
    if (category) list.unshift(el('li', {}, chip(describe({ field: 'category', value: category }), () => this.#change(() => (byId('category').value = '')))));
    const clear = el('li', {}, el('button', { type: 'button', class: 'button quiet', id: 'clear-filters', 'data-key': 'clear-filters', onclick: () => this.clear() }, t('filter.clear')));
    byId('active-filters').hidden = list.length === 0;
    byId('active-filters').replaceChildren(...list, ...(list.length > 1 ? [clear] : []));
  }

  /** Removes all filters and the category. */
  clear() {
    this.#change(() => {
      this.#criteria.clear();
      byId('category').value = '';
    });
    byId('results-heading').focus({ preventScroll: true });
  }

  #remove({ field, value, range }) {
    this.#change(() => (range ? this.#criteria.setRange(field, null) : this.#criteria.toggle(field, value, false)));
    (byId('active-filters').querySelector('button') ?? byId('results-heading')).focus({ preventScroll: true });
  }

  #change(change) {
    change();
    this.draw();
    this.#onChange();
  }

  /** Returns the facets that can narrow the results or have a condition. */
  #groups() {
    const { list, exponents } = this.#facets;
    return (list ?? []).map((facet) => toGroup(facet, this.#criteria, exponents)).filter((group) => group.values.length > 0 || group.ranges.length > 0);
  }

  #group({ field, values, ranges }, at) {
    const chosen = this.#criteria.valuesOf(field).length + (this.#criteria.rangeOf(field) ? 1 : 0);
    const name = fieldName(field);
    const all = this.#complete.has(field);
    const shown = all ? values : values.slice(0, Math.max(FIRST_VALUES, values.findLastIndex(({ value }) => this.#criteria.valuesOf(field).includes(value)) + 1));
    const details = el(
      'details',
      { class: 'facet', 'data-field': field, open: this.#unfolded.get(field) ?? (at < UNFOLDED || chosen > 0) },
      el('summary', { 'data-key': `facet ${field}` }, chosen > 0 ? t('filter.name_active', { name, n: formatNumber(chosen) }) : name),
      el(
        'div',
        { role: 'group', 'aria-label': name },
        ...ranges.map((range) => this.#range(field, range)),
        shown.length > 0 && el('ul', {}, ...shown.map((value) => this.#value(field, value))),
        shown.length < values.length && el('button', { type: 'button', class: 'button quiet', 'data-key': `all ${field}`, onclick: () => this.#showAll(field, shown.length) }, t('filter.all', { n: formatNumber(values.length) })),
      ),
    );
    details.addEventListener('toggle', () => this.#unfolded.set(field, details.open));
    return details;
  }

  #showAll(field, before) {
    this.#complete.add(field);
    this.draw();
    byId('filters').querySelectorAll(`[data-field="${CSS.escape(field)}"] input[type=checkbox]`)[before]?.focus();
  }

  #value(field, { value, count }) {
    const onchange = ({ target }) => this.#change(() => this.#criteria.toggle(field, value, target.checked));
    const box = el('input', { type: 'checkbox', 'data-key': `${field} ${typeof value} ${value}`, checked: this.#criteria.valuesOf(field).includes(value), onchange });
    return el('li', {}, el('label', { class: 'facet-value' }, box, el('span', {}, valueName(field, value)), ' ', el('span', { class: 'facet-count' }, formatNumber(count))));
  }

  /** Makes two inputs for the bounds of a range, in major units. */
  #range(field, { currency, exponent, min, max }) {
    const active = this.#criteria.rangeOf(field);
    const own = active?.currency === currency ? active : null;
    const scale = 10 ** exponent;
    const toText = (bound) => (bound === null || bound === undefined ? '' : String(bound / scale));
    const error = el('p', { class: 'facet-error', role: 'alert', hidden: true });
    const input = (bound, limit) =>
      el(
        'label',
        { class: 'facet-bound' },
        el('span', {}, t(bound === 'gte' ? 'filter.from' : 'filter.to'), currency && el('span', { class: 'visually-hidden' }, ` ${currency}`)),
        el('input', { type: 'text', inputMode: 'decimal', autocomplete: 'off', name: bound, value: toText(own?.[bound]), placeholder: toText(limit), 'data-committed': toText(own?.[bound]), 'data-key': `${field} ${currency ?? ''} ${bound}` }),
      );
    const [from, to] = [input('gte', min), input('lte', max)];
    const onchange = () => {
      const inputs = [from, to].map((label) => label.querySelector('input'));
      const [gte, lte] = inputs.map(({ value }) => parseAmount(value, currency ? scale : null));
      const fault = [gte, lte].includes(undefined) ? 'filter.not_a_number' : gte !== null && lte !== null && gte > lte && 'filter.reversed';
      error.hidden = !fault;
      error.textContent = fault ? t(fault) : '';
      if (fault) return;
      for (const typed of inputs) typed.dataset.committed = typed.value;
      // Drawing replaces the inputs, so it waits until the Tab key has moved the focus.
      setTimeout(() => this.#change(() => this.#criteria.setRange(field, { currency, gte, lte })));
    };
    const unit = currency && el('span', { class: 'facet-unit', 'aria-hidden': 'true' }, currency);
    return el('div', { class: 'facet-range', onchange }, from, to, unit, error);
  }
}

/** Makes a chip with a button that removes it. */
export const chip = (text, onclick, ...before) =>
  el('button', { type: 'button', class: 'chip', 'data-key': `chip ${text}`, 'aria-label': t('chip.remove', { what: text }), onclick }, ...before, el('span', {}, text), el('span', { class: 'chip-x', 'aria-hidden': 'true' }, '×'));

/** Returns the values and ranges of a facet that the visitor can choose. */
function toGroup({ field, keywords, bools, numbers, prices }, criteria, exponents) {
  const chosen = criteria.valuesOf(field);
  const values = (keywords?.values ?? []).filter(({ value }) => typeof value === 'string');
  if (bools) for (const value of [true, false]) if (bools[value] > 0) values.push({ value, count: bools[value] });
  // A chosen value stays, also if no product has it any more.
  for (const value of chosen) if (!values.some((other) => other.value === value)) values.push({ value, count: 0 });
  const active = criteria.rangeOf(field);
  const ranges = [];
  if (numbers?.count > 0 && (numbers.min < numbers.max || active)) ranges.push({ exponent: 0, ...numbers });
  for (const price of prices ?? []) {
    const exponent = exponents.get(price.currency);
    if (exponent !== undefined && (price.min < price.max || active?.currency === price.currency)) ranges.push({ ...price, exponent });
  }
  return { field, values: values.length > 1 || chosen.length > 0 ? values : [], ranges };
}

/**
 * Reads a number. Returns null for an empty text, and undefined for one that is not a number.
 * @param {number|null} scale minor units per major unit of a price; the result is in minor units
 */
function parseAmount(text, scale) {
  const plain = text.trim().replaceAll(/[\s']/g, '').replace(/,(?=\d{3}\b)(?!.*,\d{1,2}$)/g, '').replace(',', '.');
  if (plain === '') return null;
  if (!/^-?\d*\.?\d+$|^-?\d+\.$/.test(plain)) return undefined;
  if (scale === null) return Number(plain);
  const amount = Math.round(Number(plain) * scale);
  return Number.isSafeInteger(amount) && amount >= 0 ? amount : undefined;
}

/** Returns a condition as a text, such as “Colour: red”. */
function describe({ field, value, range }, exponents) {
  if (!range) return t('filter.is', { name: fieldName(field), value: valueName(field, value) });
  const exponent = range.currency ? exponents.get(range.currency) : 0;
  const show = (amount) => (range.currency ? (formatPrice({ amount, currency: range.currency, exponent: exponent ?? 0 }) ?? String(amount)) : formatNumber(amount));
  const { gte, lte } = range;
  const text = gte === null ? t('filter.at_most', { to: show(lte) }) : lte === null ? t('filter.at_least', { from: show(gte) }) : t('filter.between', { from: show(gte), to: show(lte) });
  return t('filter.is', { name: fieldName(field), value: text });
}
