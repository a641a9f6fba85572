// Counts of the values that the shop's products have, for the filters. The service counts them apart from the search, so that a
// photo that had to be sent is not sent again.

import { searchByExamples } from './api.js';
import { isShownAttribute } from './names.js';

/** Fields that every shop may have. */
const FIELDS = ['category', 'price', 'brand', 'availability'];

/** Attributes that visitors filter by most, in the order shown. Others follow by name, first those that product details show. */
const PREFERRED = ['colour', 'color', 'size', 'garment', 'styles', 'fit', 'material', 'fabric', 'pattern', 'gender', 'season'];

/** Largest number of attributes with a filter, and the number from which attributes for the shop's own use are left out. */
const MAX_ATTRIBUTES = 9;
const ENOUGH_ATTRIBUTES = 6;

/** Largest number of values of a field. */
const MAX_VALUES = 60;

/** Largest number of products that are tried as the query of a count. */
const MAX_TRIES = 3;

/** Facets of the present filter, and what the page has learnt from products. */
export class Facets {
  /** Facets in the order shown, or null before the first answer. */
  list = null;
  /** Decimals of the minor unit per currency. */
  exponents = new Map();
  #attributes = new Set();
  #ids = []; // products that were found, the last first
  #request = 0;

  /** True if the products have an attribute that the facets do not have yet. */
  get incomplete() {
    const has = new Set(this.list?.map(({ field }) => field));
    return this.list === null || this.#fields().some((field) => !has.has(field));
  }

  /** True if a product is known that can be the query of a count. */
  get ready() {
    return this.#ids.length > 0;
  }

  /** Learns from products: their ids, the names of their attributes, and the exponents of their currencies. */
  learn(products) {
    for (const { id, attributes, styles, price } of products) {
      if (typeof id === 'string') this.#ids = [id, ...this.#ids.filter((known) => known !== id)].slice(0, MAX_TRIES);
      for (const name of Object.keys(attributes ?? {})) this.#attributes.add(name);
      if (styles?.length > 0) this.#attributes.add('styles');
      if (Number.isInteger(price?.exponent)) this.exponents.set(price.currency, price.exponent);
    }
  }

  /**
   * Counts the values. Any product can be the query, because the counts do not depend on it. Resolves to true if `list` is new.
   * @param {{category: string|null, filter?: object}} query
   */
  async load({ category, filter }) {
    const request = ++this.#request;
    const facets = this.#fields().map((field) => ({ field, limit: MAX_VALUES }));
    for (const product of [...this.#ids]) {
      try {
        const answer = await searchByExamples([{ id: product, weight: 1 }], { category, filter, facets, limit: 1 });
        if (request !== this.#request) return false;
        this.list = Array.isArray(answer.facets) ? answer.facets : [];
        return true;
      } catch (error) {
        if (request !== this.#request) return false;
        if (error.code !== 'unknown_product') break; // a deleted product; the next one may exist
      }
    }
    this.list ??= [];
    return true;
  }

  /** Fields to count, in the order shown. */
  #fields() {
    const rank = (name) => (PREFERRED.includes(name) ? PREFERRED.indexOf(name) : PREFERRED.length + (isShownAttribute(name) ? 0 : 1));
    const attributes = [...this.#attributes].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    const shown = attributes.filter((name, at) => at < (rank(name) > PREFERRED.length ? ENOUGH_ATTRIBUTES : MAX_ATTRIBUTES));
    return [...FIELDS, ...shown.map((name) => `attributes.${name}`)];
  }
}
