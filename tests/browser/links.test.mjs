// Products have their own URLs.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

/** Opens the page and searches with a photo. */
async function openResults() {
  env.mock.set(works);
  const page = await env.open();
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  return page;
}

const waitUntilClosed = (page) => page.waitForSelector('#product[open]', { state: 'detached' });

test('a link opens its product, and closing removes the product from the URL', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ query: '?backend=cpu#product=P000003' });
  await page.waitForSelector('#product[open] dl');
  assert.match(await page.textContent('#product'), /Market tote/);
  await page.keyboard.press('Escape');
  await waitUntilClosed(page);
  assert.equal(await page.evaluate(() => location.search + location.hash), '?backend=cpu');
  await page.context().close();
});

test('Back closes a product, Forward opens it, and closing it goes back', { skip }, async () => {
  const page = await openResults();
  const length = await page.evaluate(() => history.length);
  await page.click('.card-link >> nth=3');
  await page.waitForSelector('#product[open] dl');
  assert.equal(await page.evaluate(() => location.hash), '#product=P000003');
  await page.goBack();
  await waitUntilClosed(page);
  assert.ok(await page.isVisible('.card-link >> nth=0'), 'the results stay');
  await page.goForward();
  await page.waitForSelector('#product[open] dl');
  for (const close of [() => page.click('.close'), () => page.keyboard.press('Escape'), () => page.mouse.click(5, 5)]) {
    await close();
    await waitUntilClosed(page);
    await page.waitForFunction(() => location.hash === '');
    assert.equal(await page.evaluate(() => history.length), length + 1);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Market tote in brick', 'the focus returns to the card');
    await page.click('.card-link >> nth=3');
    await page.waitForSelector('#product[open] dl');
  }
  await page.context().close();
});

for (const [what, how] of [['Ctrl and click', { modifiers: ['Control'] }], ['the middle button', { button: 'middle' }]]) {
  test(`${what} opens a product in a new tab`, { skip }, async () => {
    const page = await openResults();
    const [tab] = await Promise.all([page.context().waitForEvent('page'), page.click('.card-link >> nth=3', how)]);
    await tab.waitForSelector('#product[open] dl');
    assert.match(await tab.textContent('#product'), /Market tote/);
    assert.ok(await page.isHidden('#product'), 'the first tab does not show the product');
    await page.context().close();
  });
}

for (const [what, hash] of [['of an unknown product', '#product=gone'], ['with special characters', '#product=a%2Fb%20c'], ['with invalid encoding', '#product=%E0%A4']]) {
  test(`a link ${what} gives an error message`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open({ query: hash });
    await page.waitForSelector('#product .notice');
    assert.match(await page.textContent('#product'), /no longer available in the shop/);
    await page.click('.close');
    await waitUntilClosed(page);
    await page.context().close();
  });
}
