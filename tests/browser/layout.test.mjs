// Layout on phones, tablets and desktops and with forced colours, and texts that depend on state and language.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;
const boundsOf = (page, selector) => page.$eval(selector, (node) => {
  const { left, right, top, bottom, height } = node.getBoundingClientRect();
  return { left, right, top: top + scrollY, bottom: bottom + scrollY, height };
});

for (const [language, what, shop] of ['en-GB', 'zh-CN'].flatMap((language) => [[language, 'style', works], [language, 'groups of labels', { modules: { cpu: 'groups' }, groups: true }]])) {
  test(`photo, ${what} and search fit on one phone screen, ${language}`, { skip }, async () => {
    env.mock.set(shop);
    const page = await env.open({ width: 360, height: 740, touch: true, language });
    await tagPhoto(page, PNG);
    assert.ok((await boundsOf(page, '#frame')).height <= 0.55 * 740);
    assert.ok((await boundsOf(page, '.verdict')).bottom <= 740, 'the verdict is on the screen');
    assert.ok((await boundsOf(page, '#find-button')).bottom <= 740, 'the button is on the screen');
    await page.context().close();
  });
}

test('a photo does not fill the screen of a phone in landscape', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ width: 740, height: 360, touch: true });
  await tagPhoto(page, PNG);
  assert.ok((await boundsOf(page, '#frame')).height <= 0.55 * 360);
  await page.context().close();
});

for (const width of [360, 768, 1440, 1920]) {
  test(`header, content and footer have the same left edge at ${width} px`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open({ width });
    const lefts = [];
    for (const part of ['.wordmark', 'h1', '#picker', '#foot']) lefts.push((await boundsOf(page, part)).left);
    assert.equal(new Set(lefts).size, 1, String(lefts));
    await page.context().close();
  });
}

for (const [width, columns] of [[360, 2], [768, 4], [1440, 5]]) {
  test(`ten products have no row with a single card at ${width} px`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open({ width });
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    const tops = await page.$$eval('.card', (cards) => cards.map((card) => card.offsetTop));
    assert.equal(tops.filter((top) => top === tops[0]).length, columns);
    assert.ok(tops.filter((top) => top === tops.at(-1)).length > 1);
    await page.context().close();
  });
}

test('bars, thresholds, the crop box and the select arrow are visible with forced colours', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
  await page.emulateMedia({ forcedColors: 'active' });
  await tagPhoto(page, PNG);
  await page.click('#tags summary');
  const style = (selector, name) => page.$eval(selector, (node, name) => getComputedStyle(node)[name], name);
  const background = await style('body', 'backgroundColor');
  for (const part of ['.tag.named .fill', '.tag:not(.named) .fill', '.mark']) assert.notEqual(await style(part, 'backgroundColor'), background, part);
  assert.equal(await style('.bar', 'outlineStyle'), 'solid');
  assert.equal(await style('#category', 'appearance'), 'auto');
  assert.equal(await style('.crop-area', 'forcedColorAdjust'), 'none');
  await page.context().close();
});

test('the heading of the results matches their state', { skip }, async () => {
  for (const [shop, heading] of [[{ search: 500 }, 'Search not completed'], [{ empty: true }, 'No similar products'], [{}, 'Similar products']]) {
    env.mock.set({ ...works, ...shop });
    const page = await env.open();
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('#results-body .notice, #results-body > .hint, .card-link');
    assert.equal(await page.textContent('#results-heading'), heading);
    await page.context().close();
  }
});

test('a change of language changes the photo’s label, and the last choice is used', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
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

test('Chinese names break only between words', { skip }, async () => {
  env.mock.set({ ...works, hits: (hits) => (hits[0].product = { ...hits[0].product, name: { en: 'Dress', zh: '修身鼠尾草绿罗纹针织连衣裙' } }) });
  const page = await env.open({ width: 360, language: 'zh-CN' });
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.equal(await page.$eval('.card-link', (node) => node.innerHTML.replaceAll('<wbr>', '|')), '修身|鼠尾草绿罗纹针织连衣裙');
  assert.equal(await page.$eval('.card-name', (node) => getComputedStyle(node).wordBreak), 'keep-all');
  await page.context().close();
});
