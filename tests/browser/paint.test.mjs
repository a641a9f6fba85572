// First paint and security of the page: one language from the beginning, nothing moves, and only the scripts of this site run.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PNG, setUp } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });

/** Records the title of every frame that shows the page. */
const RECORD_TITLES = `
  globalThis.titles = [];
  const record = () => {
    const title = document.querySelector('h1');
    if (title && getComputedStyle(title).visibility === 'visible' && titles.at(-1) !== title.textContent) titles.push(title.textContent);
    requestAnimationFrame(record);
  };
  record();`;

for (const [language, stored, titles] of [
  ['en-GB', null, ['Shop by photo']],
  ['zh-CN', null, ['以图搜款']],
  ['en-GB', 'zh', ['以图搜款']],
  ['zh-CN', 'en', ['Shop by photo']],
]) {
  test(`no other language flashes up: ${language}, last choice ${stored}`, async () => {
    env.mock.set({});
    const context = await env.browser.newContext({ locale: language, serviceWorkers: 'block' });
    await context.addInitScript(RECORD_TITLES + (stored ? `localStorage.setItem('selvedge.language', '${stored}');` : ''));
    const page = await context.newPage();
    await page.route('**/i18n/zh.json', async (route) => {
      await new Promise((done) => setTimeout(done, 600));
      await route.continue();
    });
    await page.goto(env.mock.url);
    await page.waitForSelector('html.ready');
    await page.waitForTimeout(200);
    assert.deepEqual(await page.evaluate(() => globalThis.titles), titles);
    await context.close();
  });
}

test('the page is shown in English if the texts of its language take too long', async () => {
  env.mock.set({});
  const context = await env.browser.newContext({ locale: 'zh-CN', serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.route('**/i18n/zh.json', () => {}); // never answered
  await page.goto(env.mock.url);
  await page.waitForSelector('h1', { timeout: 6_000 });
  assert.equal(await page.textContent('h1'), 'Shop by photo');
  await context.close();
});

/** Adds up all shifts of the layout that do not follow an input. */
const RECORD_SHIFTS = `
  globalThis.shift = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (shift += entry.hadRecentInput ? 0 : entry.value))).observe({ type: 'layout-shift', buffered: true });`;

for (const [width, height, touch] of [[360, 740, true], [768, 1024, true], [1440, 900, false]]) {
  for (const language of ['en-GB', 'zh-CN']) {
    test(`nothing moves while the page starts, at ${width} px, ${language}`, async (t) => {
      env.mock.set({ encoder: true });
      const context = await env.browser.newContext({ viewport: { width, height }, hasTouch: touch, isMobile: touch, locale: language, serviceWorkers: 'block' });
      await context.addInitScript(RECORD_SHIFTS);
      const page = await context.newPage();
      await page.route('**/api/v1/samples', async (route) => {
        await new Promise((done) => setTimeout(done, 500));
        await route.continue();
      });
      await page.goto(env.mock.url);
      await page.waitForSelector('.sample');
      await page.waitForTimeout(300);
      const shift = await page.evaluate(() => globalThis.shift);
      t.diagnostic(`cumulative layout shift ${shift.toFixed(4)}`);
      assert.ok(shift < 0.01, String(shift));
      await context.close();
    });
  }
}

test('Trusted Types allow the workers of this site and no other script or markup', async () => {
  env.mock.set({});
  const page = await env.open();
  const outcomes = await page.evaluate(() => {
    const attempt = (act) => {
      try {
        act();
        return 'allowed';
      } catch (error) {
        return error.name;
      }
    };
    return {
      markup: attempt(() => (document.createElement('p').innerHTML = '<b>text</b>')),
      script: attempt(() => (document.createElement('script').src = 'app/main.js')),
      elsewhere: attempt(() => new Worker('https://elsewhere.example/worker.js')),
      data: attempt(() => new Worker('data:text/javascript,1')),
      policy: attempt(() => trustedTypes.createPolicy('other', {})),
    };
  });
  for (const [what, outcome] of Object.entries(outcomes)) assert.notEqual(outcome, 'allowed', what);
  page.problems.length = 0;
  await page.setInputFiles('#file', PNG);
  await page.waitForSelector('.verdict');
  assert.deepEqual(page.problems, [], 'the worker starts');
  await page.context().close();
});

test('a module with other content than at the build does not run', async () => {
  env.mock.set({});
  const context = await env.browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.route('**/app/main.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `globalThis.foreign = true;\n${await response.text()}` });
  });
  await page.goto(env.mock.url);
  await page.waitForSelector('#boot:not([hidden])');
  await page.waitForTimeout(1_500); // the page reloads itself once
  await page.waitForSelector('#boot:not([hidden])');
  assert.equal(await page.evaluate(() => globalThis.foreign), undefined);
  await context.close();
});

test('requests go to the shop only, and no header or console message complains', async () => {
  env.mock.set({ encoder: true });
  const page = await env.open({ serviceWorker: true });
  const elsewhere = [];
  page.on('request', (request) => request.url().startsWith(env.mock.url) || elsewhere.push(request.url()));
  const warnings = [];
  page.on('console', (message) => ['warning', 'error'].includes(message.type()) && warnings.push(message.text()));
  await page.reload();
  await page.waitForSelector('.sample');
  await page.click('.sample');
  await page.waitForSelector('.verdict');
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  assert.deepEqual([elsewhere, warnings], [[], []]);
  await page.context().close();
});
