// Text tables: both languages are complete, also in plural forms, and style names equal those of the taxonomy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { TAXONOMY, TEXTS } from './lib/places.mjs';

const readTexts = (language) => JSON.parse(readFileSync(join(TEXTS, `${language}.json`), 'utf8'));
const en = readTexts('en');
const zh = readTexts('zh');

/** Keys without those of plural forms, such as `problem.wait#one`. */
const plainKeys = (texts) => Object.keys(texts).filter((key) => !key.includes('#')).sort();

test('both languages have the same keys with the same placeholders', () => {
  assert.deepEqual(plainKeys(zh), plainKeys(en));
  const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of plainKeys(en)) assert.deepEqual(placeholders(zh[key]), placeholders(en[key]), key);
});

test('plural forms exist in their language and belong to a text with a number', () => {
  for (const [language, texts] of [['en', en], ['zh-Hans', zh]]) {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, form] of Object.keys(texts).map((key) => key.split('#')).filter(([, form]) => form)) {
      assert.ok(forms.includes(form) && /\{n(umber)?\}/.test(texts[key]), `${language}: ${key}#${form}`);
    }
  }
});

test('the style names equal those of the taxonomy', () => {
  const styles = [...readFileSync(TAXONOMY, 'utf8').matchAll(/style\("(\w+)", "([^"]+)", "([^"]+)"\)/g)];
  assert.equal(styles.length, 13);
  for (const [, id, english, chinese] of styles) assert.deepEqual([en[`label.${id}`], zh[`label.${id}`]], [english, chinese]);
});
