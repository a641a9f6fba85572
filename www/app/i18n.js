// Texts of the page in two languages. Elements name their text by `data-i18n` and their label by `data-i18n-label`.
//
// English is built in: finish.mjs writes english.js from i18n/en.json. It replaces texts that are missing or do not load.

import english from './english.js';

const LANGUAGES = { en: 'en', zh: 'zh-Hans' };
/** Locales for prices. `en-001` is international English, which writes US$ instead of $. */
const PRICE_LOCALES = { en: 'en-001', zh: 'zh-Hans' };
const STORAGE_KEY = 'selvedge.language';

/** Time limit for loading the texts of a language, ms. */
const LOAD_TIMEOUT = 8_000;

let texts = english;
let language = 'en';
let requests = 0; // languages requested so far

/** Returns the language shown: `en` or `zh`. */
export const currentLanguage = () => language;

/** Returns the language that boot.js chose: the visitor's last choice, or else the first supported language of the browser. */
export const preferredLanguage = () => document.documentElement.dataset.language ?? 'en';

/**
 * Shows the page in a language, or in English if the texts do not load.
 * @param {'en'|'zh'} wanted
 * @param {boolean} remember stores the choice for the next visit
 */
export async function setLanguage(wanted, remember = false) {
  const request = ++requests;
  const loaded = await loadTexts(wanted);
  if (request !== requests) return; // a newer choice replaces this one
  texts = { ...english, ...loaded };
  language = loaded ? wanted : 'en';
  if (remember) store(language);
  document.documentElement.lang = LANGUAGES[language];
  document.title = t('document');
  for (const node of document.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const node of document.querySelectorAll('[data-i18n-label]')) node.setAttribute('aria-label', t(node.dataset.i18nLabel));
}

/** Loads the texts of a language. Resolves to null on failure. */
async function loadTexts(wanted) {
  if (wanted === 'en') return english;
  const early = wanted === preferredLanguage() && globalThis.selvedgeTexts; // boot.js has begun to load them
  delete globalThis.selvedgeTexts;
  try {
    if (early) return await Promise.race([early, new Promise((done) => setTimeout(done, LOAD_TIMEOUT, null))]);
    const response = await fetch(new URL(`../i18n/${wanted}.json`, import.meta.url), { signal: AbortSignal.timeout?.(LOAD_TIMEOUT) });
    return response.ok ? await response.json() : null;
  } catch (error) {
    console.error(`selvedge: no texts for ${wanted}:`, error.message);
    return null;
  }
}

/**
 * Returns the text of a key with each `{name}` replaced from `values`. Returns the key itself if there is no text. For a number `n`
 * the text `KEY#FORM` comes first; FORM is the plural form of `n` in the shown language, such as `one`.
 */
export function t(key, values = {}) {
  const form = typeof values.n === 'number' && texts[`${key}#${new Intl.PluralRules(LANGUAGES[language]).select(values.n)}`];
  const text = form || (texts[key] ?? key);
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);
}

/** True if there is a text for a key. */
export const hasText = (key) => key in texts;

/** Returns the text of `group.id`. Unknown ids are made readable, because labels may come from any dataset. */
export const term = (group, id) => texts[`${group}.${id}`] ?? readable(String(id ?? '').replaceAll('-', ' '));

/** Makes an id readable: `shoulder_bag` becomes “Shoulder bag”. finish.mjs leaves out English names that are equal to it. */
export function readable(id) {
  const text = id.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns the name in the shown language from `{en, zh}`, or the other one if a shop states only one. */
export const localised = (names) => names?.[language] || names?.en || names?.zh || '';

/**
 * Splits a text into nodes so that lines break only between words. Chinese has no spaces: Intl.Segmenter finds its words.
 * Lines break only between two words of at least two characters, because a single character often belongs to a neighbour.
 */
export function withWordBreaks(text) {
  if (language !== 'zh' || !Intl.Segmenter) return [text];
  const segments = new Intl.Segmenter('zh-Hans', { granularity: 'word' }).segment(text);
  const words = [...segments].map(({ segment }) => segment);
  return words.flatMap((word, i) => (i > 0 && word.length > 1 && words[i - 1].length > 1 ? [document.createElement('wbr'), word] : [word]));
}

/**
 * Formats a price in the shown language. Returns null for an invalid price. An unknown currency is shown as the shop wrote it.
 * @param {{amount: number, currency: string, exponent: number}} price `amount` in minor units, `exponent` is their decimals
 */
export function formatPrice({ amount, currency, exponent }) {
  if (!Number.isSafeInteger(amount) || !Number.isInteger(exponent) || exponent < 0 || exponent > 9) return null;
  if (typeof currency !== 'string' || !currency.trim()) return null;
  const value = amount / 10 ** exponent;
  const digits = Number.isInteger(value) ? 0 : exponent;
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return new Intl.NumberFormat(PRICE_LOCALES[language], { ...style, style: 'currency', currency }).format(value);
  } catch {
    return `${new Intl.NumberFormat(PRICE_LOCALES[language], style).format(value)} ${currency.trim()}`;
  }
}

/** Formats a number. */
export const formatNumber = (number) => new Intl.NumberFormat(LANGUAGES[language]).format(number);

/** Formats a fraction (0–1) as a whole percentage. */
export const formatPercent = (fraction) => new Intl.NumberFormat(LANGUAGES[language], { style: 'percent' }).format(fraction);

/** Formats a size in megabytes with two digits. */
export const formatSize = (bytes) => new Intl.NumberFormat(LANGUAGES[language], { style: 'unit', unit: 'megabyte', maximumSignificantDigits: 2 }).format(bytes / 1e6);

/** Formats a number of bytes exactly. */
export const formatBytes = (bytes) => t('bytes', { n: bytes, number: new Intl.NumberFormat(LANGUAGES[language]).format(bytes) });

/** Formats a time as day and hour. */
export const formatTime = (time) => new Intl.DateTimeFormat(LANGUAGES[language], { dateStyle: 'medium', timeStyle: 'short' }).format(time);

/** Joins items with the list separator of the shown language. */
export const joinList = (items) => items.join(t('comma'));

/** Joins sentences. Chinese has no space between them. */
export const joinSentences = (sentences) => sentences.join(t('space'));

function store(value) {
  try {
    localStorage.setItem(STORAGE_KEY, value);
  } catch {
    // storage may be forbidden; then the choice lasts until the page is closed
  }
}
