// The photo under a finger: the page scrolls, the handles take hold, a tap marks a piece.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, tagPhoto } from './lib/browser.mjs';
import { PNG, stage, works } from './lib/stage.mjs';

const on = stage();
const { skip } = on;

/** A phone with a photo on it, and a finger: `swipe`, `drag` and `tap` in shares of the photo. */
async function phone() {
  on.mock.set(works);
  const page = await open(on.browser, on.mock.url, { width: 360, height: 740, touch: true });
  await tagPhoto(page, PNG);
  const cdp = await page.context().newCDPSession(page);
  const at = async ([x, y]) => {
    const box = await page.locator('.crop').boundingBox();
    return { x: box.x + x * box.width, y: box.y + y * box.height };
  };
  const touch = (type, ...points) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points });
  return {
    page,
    swipe: async (from, up) => {
      const { x, y } = await at(from);
      await touch('touchStart', { x, y });
      for (let i = 1; i <= 10; i++) {
        await touch('touchMove', { x, y: y - (up * i) / 10 });
        await page.waitForTimeout(16);
      }
      await touch('touchEnd');
      await page.waitForTimeout(200);
    },
    drag: async (from, to) => {
      const [a, b] = [await at(from), await at(to)];
      await touch('touchStart', a);
      for (let i = 1; i <= 4; i++) await touch('touchMove', { x: a.x + ((b.x - a.x) * i) / 4, y: a.y + ((b.y - a.y) * i) / 4 });
      await touch('touchEnd');
      await page.waitForTimeout(500); // a touch that follows at once is part of the same gesture
    },
    tap: async (place) => {
      const { x, y } = await at(place);
      await page.touchscreen.tap(x, y);
    },
    words: () => page.getAttribute('.crop-area', 'aria-label'),
    scrolled: () => page.evaluate(() => scrollY),
  };
}

test('a tap marks a piece, another brings the box there, and the box does not stop the page from scrolling', { skip }, async () => {
  const { page, tap, swipe, words, scrolled } = await phone();
  await tap([0.5, 0.6]);
  assert.match(await words(), /50% wide, 50% high, 25% from the left, 35% from the top/);
  await tap([0.5, 0.62]); // inside: nothing
  assert.match(await words(), /25% from the left, 35% from the top/);
  await tap([0.9, 0.1]);
  const marked = await words();
  assert.match(marked, /50% wide, 50% high, 50% from the left, 0% from the top/);
  await page.click('#find-button'); // something to scroll to
  await page.waitForSelector('.card-link');
  for (const [where, from] of [['in the box', [0.93, 0.25]], ['beside it', [0.2, 0.8]]]) {
    await page.evaluate(() => scrollTo(0, 0));
    await swipe(from, 120);
    assert.ok((await scrolled()) > 50, `a swipe ${where} scrolls the page`);
    assert.equal(await words(), marked, `a swipe ${where} leaves the box`);
  }
  await page.context().close();
});

test('the handles resize and move the box by finger', { skip }, async () => {
  const { page, drag, words, scrolled } = await phone();
  await drag([0.97, 0.97], [0.57, 0.57]);
  assert.match(await words(), /60% wide, 60% high, 0% from the left, 0% from the top/);
  await drag([0.3, 0.3], [0.5, 0.6]); // its middle
  assert.match(await words(), /60% wide, 60% high, 20% from the left, 30% from the top/);
  assert.equal(await scrolled(), 0);
  assert.ok(await page.isVisible('#whole'));
  await page.tap('#whole');
  await page.waitForFunction(() => document.querySelector('.crop-area').getAttribute('aria-label') === 'Search area: the whole photo');
  await page.context().close();
});

test('a suggestion that fails is not called one that found nothing', { skip }, async () => {
  const { page } = await phone();
  await page.evaluate(() => (Worker.prototype.postMessage = () => { throw new Error('no memory'); }));
  await page.tap('#suggest');
  await page.waitForFunction(() => document.querySelector('#crop-note').textContent.includes('No area could be suggested'));
  assert.ok(await page.isVisible('#crop-note'));
  await page.tap('[data-lang=zh]');
  await page.waitForFunction(() => document.querySelector('#crop-note').textContent.includes('暂时无法自动框选'));
  await page.context().close();
});
