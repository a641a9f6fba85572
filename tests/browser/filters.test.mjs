// Filters on the real service, with a catalog that has brands, sizes, truth values, numbers and three currencies.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { launch, open } from './lib/browser.mjs';
import { importCatalog, missing, PROGRAM, QUERY, RETRIEVAL, SITE, startService, TAGGER } from './lib/places.mjs';
import { photo } from './mock/shop.mjs';

// SELVEDGE_URL is a shop with other products.
const skip = process.env.SELVEDGE_URL ? 'SELVEDGE_URL is set' : missing(SITE, PROGRAM, TAGGER, RETRIEVAL, QUERY);
let browser, catalog, service;

/** Twelve products: brand, size, price, availability. */
const PRODUCTS = [
  ['Acme', 'S', 129900, 'in_stock'], ['Acme', 'M', 99900, 'in_stock'], ['Acme', 'L', 79900, 'out_of_stock'], ['Bolt', 'S', 59900, 'in_stock'],
  ['Bolt', 'M', 49900, 'in_stock'], ['Bolt', 'L', 39900, 'preorder'], ['Ciel', 'S', 29900, 'in_stock'], ['Ciel', 'M', 19900, 'in_stock'],
  ['Ciel', 'L', 9900, 'in_stock'], ['Ciel', 'XL', 8900, 'in_stock'], ['Bolt', 'XL', 12500, 'in_stock', 'KWD'], ['Bolt', 'XL', 4500, 'in_stock', 'JPY'],
].map(([brand, size, amount, availability, currency = 'CNY'], i) => ({
  id: `A${i}`,
  name: { en: `Coat ${i}`, zh: `大衣 ${i}` },
  category: 'tops',
  brand,
  price: { amount, currency },
  stock: { availability },
  url: `https://shop.example/coats/${i}`,
  attributes: { size, waterproof: i % 2 === 0, length_cm: 60 + 5 * i },
  photo: photo(120, 160, [60 + 10 * i, 120, 90]),
}));

before(async () => {
  if (skip) return;
  [browser, catalog] = await Promise.all([launch(), importCatalog(PRODUCTS)]);
  service = await startService(catalog.path);
});
after(async () => {
  await browser?.close();
  await service?.close();
  await catalog?.remove();
});

/** Opens a search by product A0 and waits for its products and filters. */
async function openLike(query = '#like=A0', how = {}) {
  const page = await open(browser, service.url, { query, width: 1440, ...how });
  await page.waitForSelector('.card-link');
  return page;
}

const shownIds = (page) => page.$$eval('.card:not([aria-hidden] .card)', (cards) => cards.map((card) => card.dataset.product).sort());
const ids = (test) => PRODUCTS.filter(test).map(({ id }) => id).filter((id) => id !== 'A0').sort();
const facet = (page, field) => page.locator(`.facet[data-field="${field}"]`);
const values = async (page, field) => Object.fromEntries((await facet(page, field).locator('.facet-value').allInnerTexts()).map((text) => text.trim().split(/\s+(?=\d+$)/)).map(([name, count]) => [name, Number(count)]));

/** Does something and waits for the products that it gives. */
async function expectIds(page, expected, act) {
  await act();
  await page.waitForFunction((expected) => [...document.querySelectorAll('.card[data-product]')].map((card) => card.dataset.product).sort().join() === expected, expected.join());
}

test('the panel counts the values of the shop’s fields, and counts of a field leave out its own filter', { skip }, async () => {
  const page = await openLike();
  await facet(page, 'brand').waitFor();
  assert.deepEqual(await page.$$eval('.facet', (all) => all.map((one) => one.dataset.field)), ['price', 'brand', 'availability', 'attributes.size', 'attributes.length_cm', 'attributes.waterproof']);
  assert.deepEqual(await values(page, 'brand'), { Bolt: 5, Ciel: 4, Acme: 3 });
  await expectIds(page, ids(({ brand }) => brand === 'Acme'), () => page.getByRole('checkbox', { name: 'Acme' }).check());
  assert.deepEqual(await values(page, 'brand'), { Bolt: 5, Ciel: 4, Acme: 3 });
  await facet(page, 'attributes.size').locator('summary').click();
  assert.deepEqual(await values(page, 'attributes.size'), { L: 1, M: 1, S: 1 });
  assert.deepEqual(await findFaults(page), []);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

for (const [what, query, matches] of [
  ['two brands', 'brand=Acme&brand=Ciel', ({ brand }) => brand !== 'Bolt'],
  ['a brand and a size', 'brand=Bolt&attributes.size=M', ({ brand, attributes }) => brand === 'Bolt' && attributes.size === 'M'],
  ['a truth value', 'bool.attributes.waterproof=true', ({ attributes }) => attributes.waterproof],
  ['a range of numbers', 'range.attributes.length_cm=70:80', ({ attributes }) => attributes.length_cm >= 70 && attributes.length_cm <= 80],
  ['a price range', 'price=CNY:19900:50000', ({ price }) => price.currency === 'CNY' && price.amount >= 19900 && price.amount <= 50000],
  ['an availability', 'availability=out_of_stock&availability=preorder', ({ stock }) => stock.availability !== 'in_stock'],
  ['unknown and damaged parameters', 'size=M&price=CNY:x:y&range.attributes.length_cm=a:b&bool.attributes.waterproof=maybe&sort=newest&brand=Acme', ({ brand }) => brand === 'Acme'],
]) {
  test(`a link with ${what} opens the filtered search`, { skip }, async () => {
    const page = await openLike(`#like=A0&${query}`);
    assert.deepEqual(await shownIds(page), ids(matches));
    await page.context().close();
  });
}

test('a chip removes its filter, and a button removes all', { skip }, async () => {
  const page = await openLike('#like=A0&brand=Bolt&attributes.size=M&price=CNY::60000');
  await page.waitForFunction(() => document.querySelector('#active-filters')?.textContent.includes('CN¥600'));
  assert.deepEqual((await page.locator('#active-filters .chip').allInnerTexts()).map((text) => text.split('\n')[0]), ['Brand: Bolt', 'Size: M', 'Price: up to CN¥600']);
  assert.match(await page.textContent('#filters-button'), /\(3\)/);
  await expectIds(page, ['A3', 'A4', 'A5'], () => page.getByRole('button', { name: 'Size: M: remove' }).click());
  assert.equal(await page.evaluate(() => location.hash), '#like=A0&brand=Bolt&price=CNY%3A%3A60000');
  await page.click('#clear-filters');
  await page.waitForFunction(() => document.querySelectorAll('.card[data-product]').length === 10);
  assert.equal(await page.evaluate(() => location.hash), '#like=A0');
  assert.ok(await page.isHidden('#active-filters'));
  await page.context().close();
});

test('a price range is typed by keyboard, in the currency’s own decimals', { skip }, async () => {
  const page = await openLike();
  await facet(page, 'price').waitFor();
  await facet(page, 'price').getByRole('textbox', { name: 'From' }).focus();
  await page.keyboard.type('99.00');
  await page.keyboard.press('Tab');
  await page.keyboard.type('499,00');
  await expectIds(page, ids(({ price: { amount, currency } }) => currency === 'CNY' && amount >= 9900 && amount <= 49900), () => page.keyboard.press('Enter'));
  assert.equal(await page.evaluate(() => location.hash), '#like=A0&price=CNY%3A9900%3A49900');
  for (const [text, message] of [['cheap', /Enter a number/], ['900', /must not be larger/]]) {
    await facet(page, 'price').getByRole('textbox', { name: 'From' }).fill(text);
    await page.keyboard.press('Enter');
    assert.match(await facet(page, 'price').getByRole('alert').innerText(), message);
  }
  await page.context().close();
});

test('products are sorted by price within their currency', { skip }, async () => {
  const page = await openLike();
  await page.selectOption('#sort', 'price_up');
  await page.waitForFunction(() => document.querySelectorAll('.card[data-product]').length === 11);
  const prices = await page.locator('.card-price').allInnerTexts();
  assert.deepEqual(prices.map((text) => text.replaceAll('\u00a0', ' ')), ['CN¥89', 'CN¥99', 'CN¥199', 'CN¥299', 'CN¥399', 'CN¥499', 'CN¥599', 'CN¥799', 'CN¥999', 'JP¥4,500', 'KWD 12.500']);
  await page.reload();
  await page.waitForSelector('.card-link');
  assert.equal(await page.inputValue('#sort'), 'price_up', 'a reload keeps the order');
  await page.context().close();
});

test('filters without a product offer to clear them', { skip }, async () => {
  const page = await open(browser, service.url, { query: '#like=A0&brand=Acme&attributes.size=XL' });
  await page.waitForSelector('#widen');
  assert.match(await page.textContent('#results-body'), /No similar product matches your filters/);
  assert.deepEqual(await findFaults(page), []);
  await page.click('#widen');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('a filter by an attribute that the shop has lost is explained, with a way on', { skip }, async () => {
  const page = await open(browser, service.url, { query: '#like=A0&attributes.hem=round' });
  await page.waitForSelector('#widen');
  assert.match(await page.textContent('#results-body'), /no longer has a value that you filter by/);
  await page.click('#widen');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('a product has its brand, its availability and a link to the shop', { skip }, async () => {
  const page = await openLike();
  await page.locator('[data-product=A2] .card-link').click();
  await page.waitForSelector('#product dl');
  assert.match(await page.innerText('#product dl'), /Brand\s+Acme\s+Category\s+Tops\s+Availability\s+Out of stock/);
  assert.equal(await page.getByRole('link', { name: 'View in the shop' }).getAttribute('href'), 'https://shop.example/coats/2');
  assert.deepEqual(await findFaults(page), []);
  await page.context().close();
});

test('on a phone the filters unfold, and a button returns to the products', { skip }, async () => {
  const page = await openLike('#like=A0', { width: 320, height: 640, touch: true, language: 'zh-CN' });
  assert.ok(await page.isHidden('#filters'));
  await page.click('#filters-button');
  await facet(page, 'brand').waitFor();
  assert.equal(await page.getAttribute('#filters-button', 'aria-expanded'), 'true');
  assert.deepEqual(await findFaults(page), []);
  await expectIds(page, ids(({ brand }) => brand === 'Acme'), () => page.getByRole('checkbox', { name: 'Acme' }).check());
  assert.equal(await page.evaluate(() => document.activeElement.dataset.key), 'brand string Acme', 'the focus stays');
  await page.click('#filters-done');
  assert.ok(await page.isHidden('#filters'));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'filters-button');
  await page.context().close();
});
