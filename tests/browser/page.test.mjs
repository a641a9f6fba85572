// Main features of the page with a mock shop and fake modules: accessibility, keyboard, languages, messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFaults, tabOrder } from './lib/accessibility.mjs';
import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, works } from './lib/setup.mjs';
import { photo } from './mock/shop.mjs';

const env = setUp();
const { skip } = env;

for (const [width, scheme, language] of [[1280, 'light', 'en-GB'], [360, 'dark', 'zh-CN'], [360, 'light', 'en-GB']]) {
  test(`the page breaks no accessibility rule at ${width} px, ${scheme}, ${language}`, { skip }, async () => {
    env.mock.set(works);
    const page = await env.open({ width, scheme, language });
    await page.waitForSelector('.sample');
    assert.deepEqual(await findFaults(page), [], 'before a photo');
    await page.click('.sample');
    await page.waitForSelector('.verdict');
    await page.click('#tags summary');
    assert.deepEqual(await findFaults(page), [], 'with tags');
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
    assert.deepEqual(await findFaults(page), [], 'with products');
    await page.click('.card-link');
    await page.waitForSelector('#product dl');
    assert.deepEqual(await findFaults(page), [], 'with one product');
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test('the page shows styles, time and products, and opens a product', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
  await tagPhoto(page, PNG);
  assert.equal(await page.textContent('.verdict'), 'Natural, Casual, Minimalist');
  assert.equal(await page.locator('li.tag').count(), 13);
  assert.match(await page.textContent('#reading-note'), /in \d+ ms \(CPU\)/);
  assert.match(await page.textContent('#live'), /Natural/);
  await page.selectOption('#category', 'bags');
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.equal(await page.locator('.card').count(), 5);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'results-heading');
  await page.locator('.card-link').first().click();
  await page.waitForSelector('#product dl');
  assert.match(await page.textContent('#product'), /Market tote in brick.*¥/s);
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'card-link', 'the focus returns to the card');
  await page.context().close();
});

test('the page uses the browser’s language, switches it and remembers the choice', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ language: 'zh-CN' });
  assert.equal(await page.textContent('h1'), '以图搜款');
  await tagPhoto(page, PNG);
  assert.equal(await page.textContent('.verdict'), '自然、休闲、简约');
  await page.click('[data-lang=en]');
  await page.waitForSelector('html[lang=en]');
  await page.waitForFunction(() => document.querySelector('.verdict').textContent.startsWith('Natural'));
  await page.reload();
  await page.waitForSelector('html.ready');
  assert.equal(await page.textContent('h1'), 'Shop by photo');
  await page.context().close();
});

test('the page can be used with the keyboard only', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
  await page.waitForSelector('.sample');
  const order = await tabOrder(page, 6);
  assert.deepEqual(order, ['skip', 'wordmark', 'en', 'zh', 'file', 'sample']);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.verdict');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'photo-heading');
  // Moves the lower right corner two small steps up and one large step left.
  assert.deepEqual((await tabOrder(page, 4)).map((name) => name.replace('crop-', '')), ['area', 'corner nw', 'corner ne', 'corner se']);
  for (const key of ['ArrowUp', 'ArrowUp', 'Shift+ArrowLeft']) await page.keyboard.press(key);
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /90% wide, 96% high/);
  await page.focus('#find-button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.card-link');
  const { fields, size } = env.mock.requests.findLast(({ fields }) => fields);
  assert.deepEqual(fields, { crop: null, category: null, limit: '10', type: 'image/jpeg' });
  assert.equal(size, '216x308', 'only the crop is sent');
  await page.context().close();
});

test('a drag marks an area, and a button resets it to the whole photo', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
  await tagPhoto(page, PNG);
  const box = await page.locator('.crop').boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.25);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.75, { steps: 4 });
  await page.mouse.up();
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /50% wide, 50% high, 25% from the left, 25% from the top/);
  await page.click('#whole');
  assert.equal(await page.getAttribute('.crop-area', 'aria-label'), 'Search area: the whole photo');
  await page.context().close();
});

test('an area is suggested on request, but not for a plain photo', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open();
  const drawPhoto = (withObject) =>
    page.evaluate((withObject) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 200, height: 200 });
      const pen = canvas.getContext('2d');
      pen.fillStyle = '#ddd';
      pen.fillRect(0, 0, 200, 200);
      pen.fillStyle = '#a02040';
      if (withObject) pen.fillRect(60, 40, 80, 120);
      return canvas.toDataURL('image/png').split(',')[1];
    }, withObject);
  const file = (data) => ({ name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from(data, 'base64') });
  const [object, plain] = [file(await drawPhoto(true)), file(await drawPhoto(false))];
  await tagPhoto(page, object);
  assert.equal(await page.getAttribute('.crop-area', 'aria-label'), 'Search area: the whole photo');
  await page.click('#suggest');
  await page.waitForSelector('#whole:not([hidden])');
  assert.match(await page.getAttribute('.crop-area', 'aria-label'), /50% wide, 25% high, 25% from the left, 0% from the top/);
  await page.context().close();
  const other = await env.open();
  await tagPhoto(other, plain);
  await other.click('#suggest');
  await other.waitForFunction(() => document.querySelector('[aria-live]')?.textContent.includes('No item stands out'));
  assert.match(await other.textContent('#crop-note:visible'), /No item stands out/);
  assert.ok(await other.isHidden('#whole'));
  await other.context().close();
});

test('the page opens a photo that is dropped or pasted', { skip }, async () => {
  env.mock.set(works);
  for (const [type, target] of [['drop', '#drop'], ['paste', 'body']]) {
    const page = await env.open();
    await page.evaluate(async ({ bytes, type, target }) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(bytes)], 'photo.png', { type: 'image/png' }));
      const event = type === 'paste' ? new ClipboardEvent(type, { clipboardData: transfer, bubbles: true }) : new DragEvent(type, { dataTransfer: transfer, bubbles: true });
      document.querySelector(target).dispatchEvent(event);
    }, { bytes: [...photo(64, 64)], type, target });
    await page.waitForSelector('.verdict');
    await page.context().close();
  }
});

for (const [what, faults, text] of [
  ['an overloaded shop', { search: 429 }, /busy.*in 7 seconds.*mock overloaded/s],
  ['a failing shop', { search: 500 }, /went wrong at the shop.*mock internal/s],
  ['a shop without hits', { empty: true }, /The shop has nothing similar/],
]) {
  test(`${what} is explained, and the visitor can search again`, { skip }, async () => {
    env.mock.set({ ...works, ...faults });
    const page = await env.open();
    await tagPhoto(page, PNG);
    await page.click('#find-button');
    await page.waitForSelector('#results-body .notice, #results-body > .hint');
    assert.match(await page.textContent('#results-body'), text);
    env.mock.set(works);
    await page.click('#results-body .notice button, #find-button');
    await page.waitForSelector('.card-link');
    await page.context().close();
  });
}
