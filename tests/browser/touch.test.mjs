// Touch on the photo: swipes scroll the page, handles can be dragged, a tap marks an area.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

/** Opens a photo on a phone. Positions of `swipe`, `drag` and `tap` are fractions of the photo's sides. */
async function openOnPhone() {
  env.mock.set(works);
  const page = await env.open({ width: 360, height: 740, touch: true });
  await tagPhoto(page, PNG);
  const cdp = await page.context().newCDPSession(page);
  const toPixels = async ([x, y]) => {
    const box = await page.locator('.crop').boundingBox();
    return { x: box.x + x * box.width, y: box.y + y * box.height };
  };
  const touch = (type, ...points) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points });
  return {
    page,
    swipe: async (from, up) => {
      const { x, y } = await toPixels(from);
      await touch('touchStart', { x, y });
      for (let i = 1; i <= 10; i++) {
        await touch('touchMove', { x, y: y - (up * i) / 10 });
        await page.waitForTimeout(16);
      }
      await touch('touchEnd');
      await page.waitForTimeout(200);
    },
    drag: async (from, to) => {
      const [a, b] = [await toPixels(from), await toPixels(to)];
      await touch('touchStart', a);
      for (let i = 1; i <= 4; i++) await touch('touchMove', { x: a.x + ((b.x - a.x) * i) / 4, y: a.y + ((b.y - a.y) * i) / 4 });
      await touch('touchEnd');
      await page.waitForTimeout(500); // an immediate touch would be part of the same gesture
    },
    tap: async (position) => {
      const { x, y } = await toPixels(position);
      await page.touchscreen.tap(x, y);
    },
    areaLabel: () => page.getAttribute('.crop-area', 'aria-label'),
    scrollTop: () => page.evaluate(() => scrollY),
  };
}

/**
 * Taps until a function of the page returns true. On a busy machine, half a second can lie between the two events of a tap. The
 * browser then sees a long press, which is no click.
 */
async function tapUntil(page, selector, holds) {
  for (let attempt = 1; ; attempt++) {
    await page.tap(selector);
    try {
      return await page.waitForFunction(holds, null, { timeout: 5000 });
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

test('a tap marks an area, a second tap moves it, and swipes on it scroll the page', { skip }, async () => {
  const { page, tap, swipe, areaLabel, scrollTop } = await openOnPhone();
  await tap([0.5, 0.6]);
  assert.match(await areaLabel(), /50% wide, 50% high, 25% from the left, 35% from the top/);
  await tap([0.5, 0.62]); // inside the area: no change
  assert.match(await areaLabel(), /25% from the left, 35% from the top/);
  await tap([0.9, 0.1]);
  const marked = await areaLabel();
  assert.match(marked, /50% wide, 50% high, 50% from the left, 0% from the top/);
  await page.click('#find-button'); // something to scroll to
  await page.waitForSelector('.card-link');
  for (const [where, from] of [['inside the area', [0.93, 0.25]], ['outside the area', [0.2, 0.8]]]) {
    await page.evaluate(() => scrollTo(0, 0));
    await swipe(from, 120);
    assert.ok((await scrollTop()) > 50, `a swipe ${where} scrolls the page`);
    assert.equal(await areaLabel(), marked, `a swipe ${where} does not move the area`);
  }
  await page.context().close();
});

test('the handles resize and move the area by touch', { skip }, async () => {
  const { page, drag, areaLabel, scrollTop } = await openOnPhone();
  await drag([0.97, 0.97], [0.57, 0.57]);
  assert.match(await areaLabel(), /60% wide, 60% high, 0% from the left, 0% from the top/);
  await drag([0.3, 0.3], [0.5, 0.6]); // drags the grip
  assert.match(await areaLabel(), /60% wide, 60% high, 20% from the left, 30% from the top/);
  assert.equal(await scrollTop(), 0);
  assert.ok(await page.isVisible('#whole'));
  await tapUntil(page, '#whole', () => document.querySelector('.crop-area').getAttribute('aria-label') === 'Search area: the whole photo');
  await page.context().close();
});

test('a failed suggestion has its own message', { skip }, async () => {
  const { page } = await openOnPhone();
  await page.evaluate(() => (Worker.prototype.postMessage = () => { throw new Error('no memory'); }));
  await page.tap('#suggest');
  await page.waitForFunction(() => document.querySelector('#crop-note').textContent.includes('No area could be suggested'));
  assert.ok(await page.isVisible('#crop-note'));
  await page.tap('[data-lang=zh]');
  await page.waitForFunction(() => document.querySelector('#crop-note').textContent.includes('自动框选失败'));
  await page.context().close();
});
