// Text tables: both languages are complete, and style names equal those of the taxonomy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { TAXONOMY, TEXTS } from './lib/places.mjs';

const readTexts = (language) => JSON.parse(readFileSync(join(TEXTS, `${language}.json`), 'utf8'));
const en = readTexts('en');
const zh = readTexts('zh');

test('both languages have the same keys with the same placeholders', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) assert.deepEqual(placeholders(zh[key]), placeholders(en[key]), key);
});

test('the style names equal those of the taxonomy', () => {
  const styles = [...readFileSync(TAXONOMY, 'utf8').matchAll(/style\("(\w+)", "([^"]+)", "([^"]+)"\)/g)];
  assert.equal(styles.length, 13);
  for (const [, id, english, chinese] of styles) assert.deepEqual([en[`label.${id}`], zh[`label.${id}`]], [english, chinese]);
});
