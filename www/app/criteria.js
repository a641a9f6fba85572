// Filters and order of the results: the visitor's choice, its filter for the service, and its form in the URL.
//
//   brand=Acme&brand=Bolt   price=CNY:1000:5000   range.attributes.heel_mm=10:50   bool.attributes.new=true   sort=price_up
//
// Prices are in minor units. An empty bound is open.

/** Orders of the results. The service finds by similarity; the page sorts by price. */
export const SORTS = ['similarity', 'price_up', 'price_down'];

const KEYWORD_FIELD = /^(category|brand|availability|attributes\..+)$/;
const MARKED_FIELD = /^(bool|range)\.(attributes\..+)$/;

/** Choice of the visitor. */
export class Criteria {
  /** Order of the results, one of `SORTS`. */
  sort = SORTS[0];
  #values = new Map(); // field → Set of texts and truth values
  #ranges = new Map(); // field → {currency?, gte: number|null, lte: number|null}

  /** Number of active conditions. */
  get size() {
    return [...this.#values.values()].reduce((sum, values) => sum + values.size, this.#ranges.size);
  }

  /** Returns the conditions in the order in which they were made: `{field, value}` or `{field, range}`. */
  list() {
    const values = [...this.#values].flatMap(([field, chosen]) => [...chosen].map((value) => ({ field, value })));
    return [...values, ...[...this.#ranges].map(([field, range]) => ({ field, range }))];
  }

  /** Returns the chosen values of a field. */
  valuesOf = (field) => [...(this.#values.get(field) ?? [])];

  /** Returns the chosen range of a field, or undefined. */
  rangeOf = (field) => this.#ranges.get(field);

  /** Adds or removes a value of a field. */
  toggle(field, value, on) {
    const chosen = this.#values.get(field) ?? new Set();
    if (on) chosen.add(value);
    else chosen.delete(value);
    if (chosen.size > 0) this.#values.set(field, chosen);
    else this.#values.delete(field);
  }

  /** Sets the range of a field. A range without bounds removes it. */
  setRange(field, range) {
    if (range === null || (range.gte === null && range.lte === null)) this.#ranges.delete(field);
    else this.#ranges.set(field, range);
  }

  /** Removes all conditions. The order stays. */
  clear() {
    this.#values.clear();
    this.#ranges.clear();
  }

  /** Returns the filter for the service, or undefined. */
  filter() {
    const values = [...this.#values].map(([field, chosen]) => {
      const texts = [...chosen].filter((value) => typeof value === 'string');
      const anyOf = [...chosen].filter((value) => typeof value === 'boolean').map((is) => ({ field, is }));
      if (texts.length > 0) anyOf.push({ field, in: texts });
      return anyOf.length === 1 ? anyOf[0] : { or: anyOf };
    });
    const ranges = [...this.#ranges].map(([field, { currency, gte, lte }]) => ({
      field,
      currency,
      range: { gte: gte ?? undefined, lte: lte ?? undefined },
    }));
    const all = [...values, ...ranges];
    return all.length > 0 ? { and: all } : undefined;
  }

  /** Adds the choice to the parameters of a URL. */
  write(params) {
    for (const { field, value, range } of this.list()) {
      if (typeof value === 'string') params.append(field, value);
      else if (!range) params.append(`bool.${field}`, value);
      else if (range.currency) params.append(field, `${range.currency}:${range.gte ?? ''}:${range.lte ?? ''}`);
      else params.append(`range.${field}`, `${range.gte ?? ''}:${range.lte ?? ''}`);
    }
    if (this.sort !== SORTS[0]) params.set('sort', this.sort);
  }

  /** Replaces the choice by the one in the parameters of a URL. Unknown and damaged parameters are left out. */
  read(params) {
    this.clear();
    this.sort = SORTS.includes(params.get('sort')) ? params.get('sort') : SORTS[0];
    for (const [key, text] of params) {
      const [, kind, field] = MARKED_FIELD.exec(key) ?? [];
      if (kind === 'bool' && /^(true|false)$/.test(text)) this.toggle(field, text === 'true', true);
      else if (kind === 'range') this.#readRange(field, /^()([\d.-]*):([\d.-]*)$/.exec(text));
      else if (key === 'price') this.#readRange('price', /^([A-Z]{3}):(\d*):(\d*)$/.exec(text));
      else if (KEYWORD_FIELD.test(key)) this.toggle(key, text, true);
    }
  }

  #readRange(field, found) {
    if (!found) return;
    const [, currency, ...bounds] = found;
    const [gte, lte] = bounds.map((bound) => (bound === '' || !Number.isFinite(Number(bound)) ? null : Number(bound)));
    this.setRange(field, { currency: currency || undefined, gte, lte });
  }
}
