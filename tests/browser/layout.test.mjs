// The page on phones, tablets and desktops, and under forced colours.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, tagPhoto } from './lib/browser.mjs';
import { PNG, stage, works } from './lib/stage.mjs';

const on = stage();
const { skip } = on;
const box = (page, selector) => page.$eval(selector, (node) => {
  const { left, right, top, bottom, height } = node.getBoundingClientRect();
  return { left, right, top: top + scrollY, bottom: bottom + scrollY, height };
});

for (const language of ['en-GB', 'zh-CN']) {
  test(`photo, style and search fit on one phone screen, ${language}`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url, { width: 360, height: 740, touch: true, language });
    await tagPhoto(page, PNG);
    assert.ok((await box(page, '#frame')).height <= 0.55 * 740);
    assert.ok((await box(page, '.verdict')).bottom <= 740, 'the verdict');
    assert.ok((await box(page, '#find-button')).bottom <= 740, 'the button');
    await page.context().close();
  });
}

test('a photo leaves room beside itself on a phone held sideways', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url, { width: 740, height: 360, touch: true });
  await tagPhoto(page, PNG);
  assert.ok((await box(page, '#frame')).height <= 0.55 * 360);
  await page.context().close();
});

for (const width of [360, 768, 1440, 1920]) {
  test(`masthead, content and footer share their edges at ${width} px`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url, { width });
    const lefts = [];
    for (const part of ['.wordmark', 'h1', '#picker', '#foot']) lefts.push((await box(page, part)).left);
    assert.equal(new Set(lefts).size, 1, String(lefts));
    await page.context().close();
  });
}

for (const [width, columns] of [[360, 2], [768, 4], [1440, 5]]) {
  test(`ten products leave none alone in its row at ${width} px`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url, { width });
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    const tops = await page.$$eval('.card', (cards) => cards.map((card) => card.offsetTop));
    assert.equal(tops.filter((top) => top === tops[0]).length, columns);
    assert.ok(tops.filter((top) => top === tops.at(-1)).length > 1);
    await page.context().close();
  });
}

test('forced colours keep bars, thresholds, the box and the select’s arrow', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url);
  await page.emulateMedia({ forcedColors: 'active' });
  await tagPhoto(page, PNG);
  await page.click('#tags summary');
  const style = (selector, name) => page.$eval(selector, (node, name) => getComputedStyle(node)[name], name);
  const ground = await style('body', 'backgroundColor');
  for (const part of ['.tag.named .fill', '.tag:not(.named) .fill', '.mark']) assert.notEqual(await style(part, 'backgroundColor'), ground, part);
  assert.equal(await style('.bar', 'outlineStyle'), 'solid');
  assert.equal(await style('#category', 'appearance'), 'auto');
  assert.equal(await style('.crop-area', 'forcedColorAdjust'), 'none');
  await page.context().close();
});

test('the heading over the results says what is below it', { skip }, async () => {
  for (const [shop, words] of [[{ search: 500 }, 'Search not finished'], [{ empty: true }, 'Nothing close'], [{}, 'Closest pieces']]) {
    on.mock.set({ ...works, ...shop });
    const page = await open(on.browser, on.mock.url);
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('#results-body .notice, #results-body > .hint, .card-link');
    assert.equal(await page.textContent('#results-heading'), words);
    await page.context().close();
  }
});

test('a switch of language speaks of the photo, too, and the last one chosen wins', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  await page.route('**/i18n/zh.json', async (route) => {
    await new Promise((done) => setTimeout(done, 400));
    await route.continue();
  });
  await page.click('[data-lang=zh]');
  await page.waitForSelector('html[lang=zh-Hans]');
  assert.equal(await page.getAttribute('#frame canvas', 'aria-label'), '您的照片');
  await page.click('[data-lang=en]');
  await page.waitForSelector('html[lang=en]');
  await page.click('[data-lang=zh]'); // slow
  await page.click('[data-lang=en]');
  await page.waitForTimeout(600);
  assert.equal(await page.getAttribute('html', 'lang'), 'en');
  await page.context().close();
});

test('Chinese names are parted between words alone', { skip }, async () => {
  on.mock.set({ ...works, hits: (hits) => (hits[0].product = { ...hits[0].product, name: { en: 'Dress', zh: '修身鼠尾草绿罗纹针织连衣裙' } }) });
  const page = await open(on.browser, on.mock.url, { width: 360, language: 'zh-CN' });
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.equal(await page.$eval('.card-link', (node) => node.innerHTML.replaceAll('<wbr>', '|')), '修身|鼠尾草绿罗纹针织连衣裙');
  assert.equal(await page.$eval('.card-name', (node) => getComputedStyle(node).wordBreak), 'keep-all');
  await page.context().close();
});
