// End-to-end test on the real service with the demo shop: photo, tags, search, product.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { launch, open } from './lib/browser.mjs';
import { INDEX, missing, PROGRAM, QUERY, RETRIEVAL, SITE, startService, TAGGER } from './lib/places.mjs';

const skip = process.env.SELVEDGE_URL ? false : missing(SITE, PROGRAM, TAGGER, RETRIEVAL, QUERY, INDEX);
let browser, service;

before(async () => {
  if (skip) return;
  browser = await launch();
  service = await startService();
});
after(async () => {
  await browser?.close();
  await service?.close();
});

test('a sample photo is tagged, and a product is found and opened', { skip }, async (t) => {
  const page = await open(browser, service.url);
  const { samples } = await (await fetch(`${service.url}api/v1/samples`)).json();
  assert.ok(samples.length > 0);
  await page.waitForSelector('.sample');
  assert.equal(await page.locator('.sample').count(), samples.length);
  await page.locator('.sample').first().click();
  await page.waitForSelector('.verdict', { timeout: 60_000 });
  t.diagnostic(await page.textContent('#reading-note'));
  assert.ok((await page.locator('li.tag').count()) > 0);

  const uploads = [];
  page.on('request', (request) => request.method() !== 'GET' && uploads.push(request));
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.deepEqual([...new Set(uploads.map((request) => request.headers()['content-type']))], ['application/json'], 'the photo is not sent');
  assert.equal(await page.locator('.card').count(), 10);
  assert.equal(new Set(await page.$$eval('.card', (cards) => cards.map((card) => card.dataset.product))).size, 10, 'each product is shown once');
  const scores = await page.$$eval('.card', (cards) => cards.map((card) => Number(card.dataset.score)));
  assert.deepEqual(scores, scores.toSorted((a, b) => b - a), 'the best hit is first');
  await page.waitForFunction(() => [...document.querySelectorAll('.card img')].slice(0, 5).every((image) => image.naturalWidth > 0));
  assert.deepEqual(await findFaults(page), []);

  const wanted = await page.locator('.card').first().getAttribute('data-product');
  await page.locator('.card-link').first().click();
  await page.waitForSelector('#product dl');
  const product = await (await fetch(`${service.url}api/v1/products/${wanted}`)).json();
  assert.ok((await page.textContent('#product')).includes(product.name.en));
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('results are filtered, continued, refined by a product and compared', { skip }, async () => {
  const page = await open(browser, service.url, { width: 1440 });
  await page.waitForSelector('.sample');
  await page.locator('.sample').first().click();
  await page.waitForSelector('.verdict', { timeout: 60_000 });
  await page.click('#find-button');
  await page.waitForSelector('.facet[data-field="attributes.colour"]');
  if (await page.isVisible('.far summary')) await page.click('.far summary');
  const shown = () => page.$$eval('.card[data-product]', (cards) => cards.map((card) => card.dataset.product));
  const whenShown = (number) => page.waitForFunction((number) => document.querySelectorAll('.card[data-product]').length === number, number);
  await page.click('#more');
  await whenShown(20);
  assert.equal(new Set(await shown()).size, 20, 'each product is shown once');

  const colours = page.locator('.facet[data-field="attributes.colour"]');
  const label = colours.locator('.facet-value').first();
  const [, name, count] = /^(.+?)\s+(\d+)$/s.exec((await label.innerText()).trim());
  await label.click();
  await whenShown(Math.min(10, Number(count)));
  for (const id of await shown()) {
    const { attributes } = await (await fetch(`${service.url}api/v1/products/${id}`)).json();
    assert.equal(attributes.colour, name.toLowerCase());
  }
  await page.getByRole('button', { name: `Colour: ${name}: remove` }).click();
  await page.waitForSelector('#active-filters', { state: 'hidden' });
  await whenShown(10);

  if (await page.isVisible('.far summary')) await page.click('.far summary');
  const [liked] = await shown();
  // A request for the counts of filters asks for one product.
  const answer = page.waitForResponse(async (response) => response.url().endsWith('/api/v1/search') && (await response.json()).hits.length === 10);
  await page.locator(`.card[data-product=${liked}] [data-action=like]`).click();
  const { hits } = await (await answer).json();
  assert.ok(hits.length === 10 && hits.every(({ product_id }) => product_id !== liked));
  await page.waitForFunction((first) => document.querySelector('.card')?.dataset.product === first, hits[0].product_id);
  if (await page.isVisible('.far summary')) await page.click('.far summary');

  for (const { product_id } of hits.slice(0, 2)) await page.locator(`.card[data-product=${product_id}] [data-action=compare]`).click();
  await page.waitForSelector('#compare[open] table');
  await page.waitForFunction(() => [...document.querySelectorAll('#compare img')].every((image) => image.naturalWidth > 0));
  assert.deepEqual(await findFaults(page), []);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a category restricts the search, and a rejected photo gives an error message', { skip }, async () => {
  const page = await open(browser, service.url, { language: 'zh-CN' });
  await page.waitForSelector('.sample');
  await page.locator('.sample').first().click();
  await page.waitForSelector('.verdict', { timeout: 60_000 });
  await page.selectOption('#category', 'shoes');
  await page.click('#find-button');
  // No shoe is similar to this sample, so the cards are folded.
  await page.waitForSelector('.card-link', { state: 'attached' });
  for (const category of await page.locator('.card-category').allTextContents()) assert.equal(category, '鞋靴');

  // The page never sends invalid bytes, so the test replaces its request.
  await page.route('**/api/v1/search', async (route) => {
    const response = await fetch(`${service.url}api/v1/search`, { method: 'POST', body: formWith(new Uint8Array(100)) });
    await route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() });
  });
  await page.click('#find-button');
  await page.waitForSelector('#results-body .notice');
  assert.match(await page.textContent('#results-body'), /店铺无法打开这张照片/);
  await page.context().close();
});

function formWith(bytes) {
  const form = new FormData();
  form.append('image', new Blob([bytes]), 'photo.jpg');
  return form;
}
