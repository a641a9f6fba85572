// Both languages say everything, and call the styles what the taxonomy calls them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { TAXONOMY, WORDS } from './lib/places.mjs';

const words = (language) => JSON.parse(readFileSync(join(WORDS, `${language}.json`), 'utf8'));
const en = words('en');
const zh = words('zh');

test('both languages have the same keys with the same gaps to fill', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  const gaps = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) assert.deepEqual(gaps(zh[key]), gaps(en[key]), key);
});

test('the style names are the taxonomy’s', () => {
  const styles = [...readFileSync(TAXONOMY, 'utf8').matchAll(/style\("(\w+)", "([^"]+)", "([^"]+)"\)/g)];
  assert.equal(styles.length, 13);
  for (const [, id, english, chinese] of styles) assert.deepEqual([en[`label.${id}`], zh[`label.${id}`]], [english, chinese]);
});
