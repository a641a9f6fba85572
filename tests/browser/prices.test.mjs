// Prices are shown in the shop's currency. An invalid price or hit does not affect the others.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;

// Price of the shop, text in English, text in Chinese; null: no price is shown.
const PRICES = [
  [{ amount: 1299000, currency: 'HUF', exponent: 2 }, 'HUF 12,990', 'HUF 12,990'],
  [{ amount: 1250, currency: 'IDR', exponent: 2 }, 'IDR 12.50', 'IDR 12.50'],
  [{ amount: 4500, currency: 'JPY', exponent: 0 }, 'JP¥4,500', 'JP¥4,500'],
  [{ amount: 12500, currency: 'KWD', exponent: 3 }, 'KWD 12.500', 'KWD 12.500'],
  [{ amount: 5000, currency: 'USD', exponent: 2 }, 'US$50', 'US$50'],
  [{ amount: 5050, currency: 'HKD', exponent: 2 }, 'HK$50.50', 'HK$50.50'],
  [{ amount: 9900, currency: 'CNY', exponent: 2 }, 'CN¥99', '¥99'],
  [{ amount: 9900, currency: '元', exponent: 2 }, '99 元', '99 元'],
  [{ amount: 9900, currency: 'RMB1', exponent: 2 }, '99 RMB1', '99 RMB1'],
  [{ amount: 9900, currency: '', exponent: 2 }, null, null],
  [{ amount: 9900, currency: null, exponent: 2 }, null, null],
  [{ amount: 'many', currency: 'EUR', exponent: 2 }, null, null],
  [{ amount: 1e300, currency: 'EUR', exponent: 2 }, null, null],
  [{ amount: 9900, currency: 'EUR' }, null, null],
  [{ amount: 9900, currency: 'EUR', exponent: -1 }, null, null],
  [null, null, null],
];

for (const [language, column] of [['en-GB', 1], ['zh-CN', 2]]) {
  test(`every valid price is shown in its currency, ${language}`, { skip }, async () => {
    const page = await env.open({ language });
    const shown = [];
    for (let from = 0; from < PRICES.length; from += 10) {
      const batch = PRICES.slice(from, from + 10);
      env.mock.set({ ...works, hits: (hits) => hits.forEach((hit, i) => (hit.product = { ...hit.product, price: (batch[i] ?? PRICES[0])[0] })) });
      await tagPhoto(page, PNG);
      await page.click('#find-button');
      await page.waitForSelector('.card-link');
      assert.equal(await page.locator('.card-link').count(), 10, 'every hit is shown');
      const texts = await page.$$eval('.card', (cards) => cards.map((card) => card.querySelector('.card-price')?.textContent.replaceAll('\u00a0', ' ') ?? null));
      shown.push(...texts.slice(0, batch.length));
    }
    assert.deepEqual(shown, PRICES.map((row) => row[column]));
    await page.context().close();
  });
}

test('an invalid hit does not hide the other hits', { skip }, async () => {
  env.mock.set({
    ...works,
    hits: (hits) => {
      hits[0].product = null;
      hits[1].product = { id: 'bare' };
      hits[2].product = { ...hits[2].product, image: '/images/shop/gone.jpg', name: { zh: '只有中文' } };
    },
  });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.equal(await page.locator('.card-link').count(), 9);
  await page.waitForFunction(() => document.querySelectorAll('.absent').length === 2);
  assert.equal(await page.locator('.card-link').nth(1).textContent(), '只有中文');
  await page.context().close();
});
