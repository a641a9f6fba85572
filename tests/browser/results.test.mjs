// Results with a mock shop: relation to the query, further pages, products as part of the query, comparison, failures.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { tagPhoto } from './lib/browser.mjs';
import { markHalf, PNG, setUp, waitUntil, works } from './lib/setup.mjs';

const env = setUp();
const { skip } = env;
const local = { ...works, encoder: true };

/** Counts as the service returns them. */
const FACETS = [
  { field: 'category', keywords: { values: [{ value: 'tops', count: 10 }, { value: 'shoes', count: 5 }], further: 0 } },
  { field: 'price', prices: [{ currency: 'CNY', count: 20, min: 9900, max: 48850 }] },
  { field: 'brand', keywords: { values: [], further: 0 } },
  { field: 'attributes.colour', keywords: { values: [{ value: 'sage', count: 4 }, { value: 'ink', count: 4 }], further: 0 } },
];

/** Opens the page and searches with a photo. */
async function openResults(shop, how = {}) {
  env.mock.set(shop);
  const page = await env.open(how);
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('.card-link', { state: 'attached' });
  return page;
}

const cardIds = (page) => page.$$eval('.card[data-product]', (cards) => cards.map((card) => card.dataset.product));
const lastQuery = () => env.mock.requests.findLast(({ query }) => query).query;
const lastCounts = () => env.mock.requests.findLast(({ counts }) => counts)?.counts;
const untilCards = (page, number) => page.waitForFunction((number) => document.querySelectorAll('.card[data-product]').length === number, number);
const cardAction = (page, id, action) => page.locator(`.card[data-product=${id}] [data-action=${action}]`);

for (const [confidence, floor, heading, groups, badges] of [
  ['same', 0.6, 'Similar products', ['Similar', 'Less similar'], ['P000000']],
  ['similar', 0.6, 'Similar products', ['Similar', 'Less similar'], []],
  ['similar', 0.1, 'Similar products', [], []],
  ['none', 0.95, 'No similar products', [], []],
]) {
  test(`with confidence “${confidence}” and floor ${floor} the products are grouped by words`, { skip }, async () => {
    const page = await openResults({ ...works, confidence, floor });
    assert.equal(await page.textContent('#results-heading'), heading);
    assert.deepEqual(await page.locator('.group-name').allInnerTexts(), groups);
    assert.deepEqual(await page.$$eval('.badge', (all) => all.map((badge) => [badge.textContent, badge.closest('.card').dataset.product])), badges.map((id) => ['Same product', id]));
    if (groups.length > 0) assert.deepEqual(await page.$$eval('.cards', (lists) => lists.map((list) => list.children.length)), [8, 2]);
    assert.equal(await page.isVisible('.card-link >> nth=0'), confidence !== 'none');
    assert.deepEqual(await findFaults(page), []);
    await page.context().close();
  });
}

test('more products follow on request, and the focus goes to the first of them', { skip }, async () => {
  const page = await openResults(works);
  const first = await cardIds(page);
  const image = await page.$('.card img');
  await page.click('#more');
  await untilCards(page, 20);
  assert.deepEqual((await cardIds(page)).slice(0, 10), first);
  assert.equal(await page.evaluate(() => document.activeElement.closest('.card').dataset.product), 'P000010');
  assert.ok(await image.evaluate((node) => node.isConnected), 'the first images are not loaded again');
  assert.ok(await page.isHidden('#more'), 'there are no more');
  assert.match(await page.textContent('#results-note'), /20 products/);
  assert.deepEqual(lastQuery(), { cursor: '10', limit: 10 });
  await page.context().close();
});

test('after a change of the shop’s model the page asks again without an error', { skip }, async () => {
  const page = await openResults({ ...local, stale: true });
  await page.click('#more');
  await untilCards(page, 20);
  assert.equal(await page.locator('.notice.error:visible').count(), 0);
  assert.deepEqual([lastQuery().cursor, lastQuery().limit], [undefined, 20]);
  assert.equal(await page.evaluate(() => document.activeElement.closest('.card').dataset.product), 'P000010');
  await page.context().close();
});

test('if more products do not come, the page keeps those that it has and offers to try again', { skip }, async () => {
  const page = await openResults(works);
  env.mock.set({ ...works, search: 500 });
  await page.click('#more');
  await page.waitForSelector('.more-problem');
  assert.equal((await cardIds(page)).length, 10);
  assert.deepEqual(await findFaults(page), []);
  env.mock.set(works);
  await page.click('#more');
  await untilCards(page, 20);
  await page.context().close();
});

test('more and less of a product join the photo as chips, and Back takes the last one away', { skip }, async () => {
  const page = await openResults(local);
  await cardAction(page, 'P000003', 'like').click();
  await page.waitForFunction(() => document.querySelectorAll('#query .chip').length === 2);
  await untilCards(page, 10);
  assert.deepEqual(lastQuery().examples, [{ embedding: { model_id: 'mock@0', int8: 'X38=' }, weight: 1 }, { product: 'P000003', weight: 1 }]);
  assert.ok(!(await cardIds(page)).includes('P000003'));
  await cardAction(page, 'P000001', 'unlike').click();
  await page.waitForFunction(() => document.querySelectorAll('#query .chip').length === 3);
  await untilCards(page, 10);
  assert.deepEqual(lastQuery().examples.at(-1), { product: 'P000001', weight: -0.5 });
  assert.equal(await page.evaluate(() => location.hash), '#like=P000003&unlike=P000001');
  assert.deepEqual(await page.locator('#query .chip > span:first-of-type').allInnerTexts(), ['Your photo', 'More like Market tote in brick', 'Not like Boxy shirt in ink']);
  assert.deepEqual(await findFaults(page), []);

  await page.goBack();
  await page.waitForFunction(() => document.querySelectorAll('#query .chip').length === 2);
  await waitUntil(() => lastQuery().examples?.length === 2);
  await page.getByRole('button', { name: 'Your photo: remove' }).click();
  await waitUntil(() => lastQuery().product === 'P000003');
  // There is no word of the photo, which is not part of the search.
  await page.waitForFunction(() => document.querySelector('#results-note').textContent === '10 products');
  await page.click('#find-button');
  await waitUntil(() => lastQuery().examples?.length === 2);
  await page.context().close();
});

test('without a query encoder a search by products leaves the photo out and says so', { skip }, async () => {
  const page = await openResults(works);
  env.mock.requests.length = 0;
  await cardAction(page, 'P000003', 'like').click();
  await page.waitForSelector('#photo-unusable');
  await untilCards(page, 10);
  assert.equal(lastQuery().product, 'P000003');
  assert.equal(env.mock.requests.filter(({ fields }) => fields).length, 0, 'the photo is not sent again');
  await page.getByRole('button', { name: /Market tote in brick: remove/ }).click();
  await waitUntil(() => env.mock.requests.some(({ fields }) => fields));
  assert.equal(await page.locator('#photo-unusable').count(), 0);
  await page.context().close();
});

test('a product link leads to a search without a photo, and a reload keeps it', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ query: '#product=P000002' });
  await page.waitForSelector('#product[open] dl');
  await page.locator('#product [data-action=like]').click();
  await page.waitForSelector('.card-link');
  assert.ok(await page.isHidden('#product'));
  assert.equal(await page.evaluate(() => location.hash), '#like=P000002');
  assert.deepEqual(lastQuery(), { product: 'P000002', category: null, limit: 10 });
  await page.selectOption('#sort', 'price_down');
  await waitUntil(() => lastQuery().limit === 50);
  await page.click('.card-link >> nth=0');
  await page.waitForSelector('#product[open] dl');
  await page.reload();
  await page.waitForSelector('#product[open] dl');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#product[open]', { state: 'detached' });
  await page.waitForSelector('.card-link');
  assert.equal(await page.evaluate(() => location.hash), '#like=P000002&sort=price_down');
  assert.equal(await page.locator('#query .chip').innerText().then((text) => text.split('\n')[0]), 'More like Low trainers in oat');
  const amounts = (await page.locator('.card-price').allInnerTexts()).map((text) => Number(text.replace('CN¥', '')));
  assert.deepEqual(amounts, amounts.toSorted((a, b) => b - a));
  await page.context().close();
});

test('a search by a product that is gone is explained, and its chip can be removed', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ query: '#like=gone' });
  await page.waitForSelector('#results-body .notice');
  assert.match(await page.textContent('#results-body'), /no longer available in the shop/);
  await page.locator('#query .chip').click();
  await page.waitForSelector('#results', { state: 'hidden' });
  assert.equal(await page.evaluate(() => location.hash), '');
  await page.context().close();
});

test('filters stay when the box changes, and apply to the photo and to the counts', { skip }, async () => {
  const page = await openResults({ ...works, facets: FACETS });
  await page.waitForSelector('.facet[data-field="attributes.colour"]');
  assert.deepEqual(await page.$$eval('.facet', (all) => all.map((one) => one.dataset.field)), ['category', 'price', 'attributes.colour'], 'nothing for the brand, which the shop lacks');
  await page.getByRole('checkbox', { name: /Sage/ }).check();
  const filter = { and: [{ field: 'attributes.colour', in: ['sage'] }] };
  await waitUntil(() => env.mock.requests.findLast(({ fields }) => fields).fields.options);
  assert.deepEqual(env.mock.requests.findLast(({ fields }) => fields).fields.options, { filter });
  await waitUntil(() => lastCounts().filter);
  assert.deepEqual(lastCounts().filter, filter);
  assert.deepEqual([lastCounts().limit, lastCounts().facets.map(({ field }) => field).includes('attributes.colour')], [1, true]);
  await markHalf(page);
  await page.waitForSelector('#results-stale:visible');
  await page.click('#search-again');
  await page.waitForSelector('#results-stale', { state: 'hidden' });
  await untilCards(page, 10);
  const { fields, size } = env.mock.requests.findLast(({ fields }) => fields);
  assert.deepEqual([fields.options, size], [{ filter }, '120x320']);
  assert.ok(await page.isVisible('#active-filters .chip'));
  await page.context().close();
});

test('a change of filters computes no new embedding', { skip }, async () => {
  const page = await openResults({ modules: { cpu: 'reports' }, encoder: true, facets: FACETS });
  await page.waitForSelector('.facet[data-field="attributes.colour"]');
  env.mock.requests.length = 0;
  await page.getByRole('checkbox', { name: /Sage/ }).check();
  await waitUntil(() => env.mock.requests.some(({ query }) => query?.filter));
  assert.deepEqual(env.mock.requests.filter(({ path }) => path.startsWith('/mock/embed')), []);
  await page.context().close();
});

for (const [width, language] of [[360, 'zh-CN'], [1280, 'en-GB']]) {
  test(`two products are compared side by side, and Back closes the comparison, ${width} px`, { skip }, async () => {
    const page = await openResults(works, { width, language });
    await cardAction(page, 'P000000', 'compare').click();
    await page.waitForSelector('#compare-bar');
    assert.equal(await cardAction(page, 'P000000', 'compare').getAttribute('aria-pressed'), 'true');
    assert.deepEqual(await findFaults(page), [], 'with the bar');
    await cardAction(page, 'P000005', 'compare').press('Enter');
    await page.waitForSelector('#compare[open] table');
    assert.equal(await page.evaluate(() => location.hash), '#compare=P000000&compare=P000005');
    const rows = await page.getByRole('row').evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText.trim())));
    assert.ok(rows.some(([, a, b]) => /99$/.test(a) && /201.50$/.test(b)), 'the prices');
    assert.equal(await page.locator('#compare thead img').count(), 2);
    assert.deepEqual(await page.locator('#compare tr.differs > th').evaluateAll((all) => all.map((cell) => cell.firstChild.textContent)), language === 'zh-CN' ? ['价格', '风格'] : ['Price', 'Style']);
    assert.deepEqual(await findFaults(page), [], 'with the comparison');
    await page.goBack();
    await page.waitForSelector('#compare[open]', { state: 'detached' });
    await page.waitForFunction(() => location.hash === '');
    assert.ok(await page.isVisible('.card-link >> nth=0'), 'the results stay');
    await page.goForward();
    await page.waitForSelector('#compare[open] table');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => location.hash === '');
    await page.context().close();
  });
}

test('a link opens a comparison, and a product that is gone is explained', { skip }, async () => {
  env.mock.set(works);
  const page = await env.open({ query: '#compare=P000000&compare=P000001' });
  await page.waitForSelector('#compare[open] table');
  await page.evaluate(() => (location.hash = 'compare=P000000&compare=gone'));
  await page.waitForSelector('#compare .notice');
  assert.match(await page.textContent('#compare'), /no longer available/);
  await page.context().close();
});

test('a search without a network says so, and continues when the network is back', { skip }, async () => {
  const page = await openResults(works);
  await page.context().setOffline(true);
  await page.click('#find-button');
  await page.waitForSelector('#results-body .notice');
  assert.match(await page.textContent('#results-body'), /You are offline/);
  assert.deepEqual(await findFaults(page), []);
  await page.context().setOffline(false);
  await page.waitForSelector('.card-link');
  await page.context().close();
});

test('if the search itself does not load, the page says so and offers to try again', { skip }, async () => {
  env.mock.set({ ...works, damaged: [[/\/app\/search-[^/]*\.js$/, 'missing']] });
  const page = await env.open();
  await tagPhoto(page, PNG);
  await page.click('#find-button');
  await page.waitForSelector('#results-body .notice');
  assert.equal(await page.textContent('#results-heading'), 'Search not completed');
  env.mock.set(works);
  await page.click('#results-body button');
  await page.waitForSelector('.card-link');
  await page.context().close();
});

for (const [width, scheme, language, forcedColors] of [[320, 'dark', 'en-GB', 'none'], [768, 'light', 'zh-CN', 'none'], [3840, 'light', 'en-GB', 'none'], [1280, 'dark', 'en-GB', 'active']]) {
  test(`results with filters break no accessibility rule at ${width} px, ${scheme}, ${language}, forced colours ${forcedColors}`, { skip }, async () => {
    env.mock.set({ ...works, facets: FACETS, confidence: 'same', floor: 0.6 });
    const page = await env.open({ width, scheme, language, query: '#like=P000002&unlike=P000003&attributes.colour=sage&price=CNY:10000:&among=tops' });
    await page.emulateMedia({ forcedColors });
    await page.waitForSelector('.card-link');
    if (await page.isHidden('#filters')) await page.click('#filters-button');
    await page.waitForSelector('.facet');
    assert.equal(await page.locator('#active-filters .chip').count(), 3);
    if (forcedColors === 'none') assert.deepEqual(await findFaults(page), []);
    for (const part of ['.chip', '.badge', '.facet-bound input']) assert.equal(await page.$eval(part, (node) => getComputedStyle(node).borderTopStyle), 'solid', part);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test('images come in the sizes of the service, and a broken one becomes a placeholder', { skip }, async () => {
  const sha = 'ab'.repeat(32);
  const page = await openResults({ ...works, hits: (hits) => hits.forEach((hit, i) => (hit.product = { ...hit.product, image: ['', `/images/${sha}-640.jpg`][i] ?? hit.product.image })) });
  await page.waitForFunction(() => document.querySelectorAll('.absent').length === 2);
  const asked = env.mock.requests.map(({ path }) => path).filter((path) => path.includes(sha));
  assert.deepEqual(asked, [`/images/${sha}-320.jpg`], 'a card of 1x needs the small size');
  assert.ok(!env.mock.requests.some(({ path }) => path === '/images/'), 'nothing is asked for a product without a photo');
  assert.match(await page.locator('.absent').first().innerText(), /No image/);
  await page.context().close();
});

test('nothing moves when the products and the filters arrive', { skip }, async () => {
  env.mock.set({ ...works, latency: 700, facets: FACETS });
  const script = `globalThis.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => { if (!entry.hadRecentInput) shift += entry.value; })).observe({ type: 'layout-shift', buffered: true });`;
  const page = await env.open({ width: 1440, script });
  await tagPhoto(page, PNG);
  await page.waitForTimeout(300);
  await page.evaluate(() => (globalThis.shift = 0)); // the photo has moved the page
  await page.click('#find-button');
  await page.waitForSelector('.card-link');
  await page.waitForSelector('.facet');
  await page.waitForTimeout(300);
  assert.ok((await page.evaluate(() => globalThis.shift)) < 0.02, String(await page.evaluate(() => globalThis.shift)));
  await page.context().close();
});
