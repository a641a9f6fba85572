// A product has an address of its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, tagPhoto } from './lib/browser.mjs';
import { PNG, stage, works } from './lib/stage.mjs';

const on = stage();
const { skip } = on;

async function found() {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url);
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  return page;
}
const shut = (page) => page.waitForSelector('#product[open]', { state: 'detached' });

test('a link to a product opens it, and closing leaves the page without it', { skip }, async () => {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url, { query: '?backend=cpu#product=P000003' });
  await page.waitForSelector('#product[open] dl');
  assert.match(await page.textContent('#product'), /Market tote/);
  await page.keyboard.press('Escape');
  await shut(page);
  assert.equal(await page.evaluate(() => location.search + location.hash), '?backend=cpu');
  await page.context().close();
});

test('Back closes a product, Forward opens it, and closing is as going back', { skip }, async () => {
  const page = await found();
  const length = await page.evaluate(() => history.length);
  await page.click('.card-link >> nth=3');
  await page.waitForSelector('#product[open] dl');
  assert.equal(await page.evaluate(() => location.hash), '#product=P000003');
  await page.goBack();
  await shut(page);
  assert.ok(await page.isVisible('.card-link >> nth=0'), 'the results are still there');
  await page.goForward();
  await page.waitForSelector('#product[open] dl');
  for (const close of [() => page.click('.close'), () => page.keyboard.press('Escape'), () => page.mouse.click(5, 5)]) {
    await close();
    await shut(page);
    await page.waitForFunction(() => location.hash === '');
    assert.equal(await page.evaluate(() => history.length), length + 1);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Market tote in brick', 'the focus returns');
    await page.click('.card-link >> nth=3');
    await page.waitForSelector('#product[open] dl');
  }
  await page.context().close();
});

for (const [what, how] of [['Ctrl and click', { modifiers: ['Control'] }], ['the middle button', { button: 'middle' }]]) {
  test(`${what} opens a product in a tab`, { skip }, async () => {
    const page = await found();
    const [tab] = await Promise.all([page.context().waitForEvent('page'), page.click('.card-link >> nth=3', how)]);
    await tab.waitForSelector('#product[open] dl');
    assert.match(await tab.textContent('#product'), /Market tote/);
    assert.ok(await page.isHidden('#product'), 'and not here');
    await page.context().close();
  });
}

for (const [what, hash] of [['is not there', '#product=gone'], ['has an odd name', '#product=a%2Fb%20c'], ['is badly written', '#product=%E0%A4']]) {
  test(`a product that ${what} is explained`, { skip }, async () => {
    on.mock.set(works);
    const page = await open(on.browser, on.mock.url, { query: hash });
    await page.waitForSelector('#product .notice');
    assert.match(await page.textContent('#product'), /does not have this any more/);
    await page.click('.close');
    await shut(page);
    await page.context().close();
  });
}
