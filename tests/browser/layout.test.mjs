// Layout on phones, tablets and desktops and with forced colours, and texts that depend on state and language.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { findHiddenFocus } from './lib/focus.mjs';
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

/** Shows the results of a photo. */
async function search(page) {
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
}
const open = (selector) => async (page) => {
  await page.click(selector);
  await page.waitForSelector('dialog[open] h2');
};
const FLOWS = {
  'the empty page': async () => {},
  'tags and pieces': async (page) => {
    await tagPhoto(page, PNG);
    await page.waitForSelector('#piece-list button');
    await page.click('#tags summary');
  },
  results: search,
  'the filters': async (page) => {
    await search(page);
    if (await page.isHidden('#filters')) await page.click('#filters-button');
    await page.waitForSelector('.facet-value');
  },
  'the choice of a second product': async (page) => {
    await search(page);
    await page.locator('[data-action=compare]').nth(0).click();
  },
  'the comparison': async (page) => {
    await search(page);
    for (const at of [0, 1]) await page.locator('[data-action=compare]').nth(at).click();
    await page.waitForSelector('#compare tbody');
  },
  'a product': async (page) => {
    await search(page);
    await page.locator('.card-link').first().click();
    await page.waitForSelector('#product dl');
  },
  'the privacy panel': open('#open-privacy'),
  'the history': open('#open-history'),
  'the panel for web developers': open('#open-embed'),
  'a failure': async (page) => {
    env.mock.set({ ...shop, search: 500 });
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('#results-body .notice');
  },
};
const shop = { ...works, segmenter: true, facets: [{ field: 'category', keywords: { values: [{ value: 'tops', count: 8 }, { value: 'shoes', count: 6 }] } }, { field: 'price', prices: [{ currency: 'CNY', min: 9900, max: 48850, count: 20 }] }] };

// 320 × 256 is a window of 1280 × 1024 at 400 % zoom.
for (const [what, width, height, language, flows] of [
  ['400 % zoom', 320, 256, 'en-GB', Object.keys(FLOWS)],
  ['400 % zoom', 320, 256, 'zh-CN', ['tags and pieces', 'the filters', 'the privacy panel']],
  ['3840 × 2160', 3840, 2160, 'en-GB', ['tags and pieces', 'the filters', 'the comparison']],
]) {
  for (const flow of flows) {
    test(`${flow} at ${what}, ${language}: no sideways scrolling, and every focus ring is seen`, { skip }, async () => {
      env.mock.set(shop);
      const page = await env.open({ width, height, language });
      await FLOWS[flow](page);
      const wide = await page.evaluate(() => [document.scrollingElement, ...document.querySelectorAll('dialog[open]')].filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.id || node.tagName));
      assert.deepEqual(wide, [], 'scrolls sideways');
      assert.deepEqual(await findHiddenFocus(page), []);
      await page.context().close();
    });
  }
}

test('at 400 % zoom nothing fixed takes more than a third of the window, and the photo is not tiny', { skip }, async () => {
  env.mock.set(shop);
  const page = await env.open({ width: 320, height: 256 });
  await FLOWS['the choice of a second product'](page);
  await page.click('#filters-button');
  const fixed = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((node) => ['fixed', 'sticky'].includes(getComputedStyle(node).position) && node.checkVisibility()).map((node) => [node.id, node.getBoundingClientRect().height]));
  assert.ok(fixed.length > 0);
  for (const [id, taken] of fixed) assert.ok(taken <= 256 / 3, `${id} takes ${taken} px`);
  assert.ok((await boundsOf(page, '#frame')).height >= 150);
  await page.context().close();
});

for (const [width, share] of [[1920, 0.65], [2560, 0.6], [3840, 0.55]]) {
  test(`the content fills at least ${share} of a window of ${width} px, and lines have at most 100 characters`, { skip }, async () => {
    env.mock.set(shop);
    const page = await env.open({ width, height: Math.round((width * 9) / 16) });
    await search(page);
    const { left, right } = await boundsOf(page, '#results');
    assert.ok((right - left) / width >= share, `${Math.round(right - left)} px`);
    const long = await page.evaluate(() => [...document.querySelectorAll('p, dd, li')].filter((node) => node.checkVisibility() && node.textContent.length > 100 && node.getBoundingClientRect().width / parseFloat(getComputedStyle(node).fontSize) > 60).map((node) => node.textContent.slice(0, 40)));
    assert.deepEqual(long, []);
    await page.context().close();
  });
}

test('placeholders of filters end with the search that fails', { skip }, async () => {
  env.mock.set({ ...shop, search: 500 });
  const page = await env.open({ width: 1440 });
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('#results-body .notice');
  assert.equal(await page.locator('.skeleton:visible').count(), 0);
  await page.context().close();
});
