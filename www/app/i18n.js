// The page's words in two languages. Elements name their text by `data-i18n`, their label by `data-i18n-label`.
//
// English is built in: finish.mjs writes english.js from i18n/en.json. It stands in for whatever does not come.

import english from './english.js';

const LANGUAGES = { en: 'en', zh: 'zh-Hans' };
/** How prices are written: in the English of no one country, so that dollars say whose they are. */
const MONEY = { en: 'en-001', zh: 'zh-Hans' };
const STORED = 'selvedge.language';

/** How long the words of another language may take, ms. */
const WORDS_TIMEOUT = 8_000;

let words = english;
let language = 'en';
let asked = 0; // languages asked for so far

/** The language shown: `en` or `zh`. */
export const current = () => language;

/** The visitor's last choice, else the browser's first language that the page speaks. */
export function preferred() {
  const stored = read();
  if (stored in LANGUAGES) return stored;
  const wanted = (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag in LANGUAGES) ?? 'en';
}

/**
 * Puts a language on the page; English where its words do not come.
 * @param {'en'|'zh'} wanted
 * @param {boolean} remember keep it for the next visit
 */
export async function use(wanted, remember = false) {
  const turn = ++asked;
  const loaded = await load(wanted);
  if (turn !== asked) return; // another was chosen while this one came
  words = { ...english, ...loaded };
  language = loaded ? wanted : 'en';
  if (remember) write(language);
  document.documentElement.lang = LANGUAGES[language];
  document.title = t('document');
  for (const node of document.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const node of document.querySelectorAll('[data-i18n-label]')) node.setAttribute('aria-label', t(node.dataset.i18nLabel));
}

/** The words of a language, or null. */
async function load(wanted) {
  if (wanted === 'en') return english;
  try {
    const response = await fetch(new URL(`../i18n/${wanted}.json`, import.meta.url), { signal: AbortSignal.timeout?.(WORDS_TIMEOUT) });
    return response.ok ? await response.json() : null;
  } catch (error) {
    console.error(`selvedge: no words for ${wanted}:`, error.message);
    return null;
  }
}

/** The words for a key, `{name}` filled from `values`. A key without words shows itself, so that nobody misses it. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether the shown language has words for a key. */
export const has = (key) => key in words;

/** The words for `group.id`, or the id made readable where the page has none (labels may come from any data set). */
export function term(group, id) {
  return words[`${group}.${id}`] ?? String(id ?? '').replaceAll('_', ' ').replaceAll('-', ' ');
}

/** Picks the shown language from `{en, zh}`; a shop may have named a thing in one language alone. */
export const pick = (names) => names?.[language] || names?.en || names?.zh || '';

/**
 * A text that may be broken only between words, as nodes. Chinese has no spaces: its words are found by the browser's
 * dictionary, and only two of two characters or more may be parted, as single ones often belong to a neighbour.
 */
export function unbroken(text) {
  if (language !== 'zh' || !Intl.Segmenter) return [text];
  const parts = [...new Intl.Segmenter('zh-Hans', { granularity: 'word' }).segment(text)].map(({ segment }) => segment);
  return parts.flatMap((part, i) => (i > 0 && part.length > 1 && parts[i - 1].length > 1 ? [document.createElement('wbr'), part] : [part]));
}

/**
 * A price, written as the language does; null where it is none. A currency that is not one is shown as the shop wrote it.
 * @param {{amount: number, currency: string, exponent: number}} price `amount` in minor units, `exponent` their decimals
 */
export function price({ amount, currency, exponent }) {
  if (!Number.isSafeInteger(amount) || !Number.isInteger(exponent) || exponent < 0 || exponent > 9) return null;
  if (typeof currency !== 'string' || !currency.trim()) return null;
  const value = amount / 10 ** exponent;
  const digits = Number.isInteger(value) ? 0 : exponent;
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return new Intl.NumberFormat(MONEY[language], { ...style, style: 'currency', currency }).format(value);
  } catch {
    return `${new Intl.NumberFormat(MONEY[language], style).format(value)} ${currency.trim()}`;
  }
}

/** A share of one as a whole percentage. */
export const percent = (share) => new Intl.NumberFormat(LANGUAGES[language], { style: 'percent' }).format(share);

/** Items in a row, as the language separates them. */
export const list = (items) => items.join(t('comma'));

// Storage may be forbidden; then the choice lasts as long as the page.
function read() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function write(value) {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    // nothing to do: the page works without
  }
}
