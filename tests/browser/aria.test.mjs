// What a screen reader is given in each flow: roles, names and states in reading order.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });
const SHOP = {
  modules: { cpu: 'groups' }, groups: 'curves', encoder: true, segmenter: true, confidence: 'same', floor: 0.6,
  facets: [{ field: 'category', keywords: { values: [{ value: 'tops', count: 10 }, { value: 'shoes', count: 5 }] } }, { field: 'price', prices: [{ currency: 'CNY', count: 20, min: 9900, max: 48850 }] }],
};

/** Opens the page with a photo that has been tagged. */
async function openTagged() {
  env.mock.set(SHOP);
  const page = await env.open({ width: 1440 });
  await tagPhoto(page, PNG);
  await page.waitForSelector('#piece-list button');
  return page;
}

/** Opens the page with the results of a photo. */
async function openResults() {
  const page = await openTagged();
  await page.click('#find-button');
  await page.waitForSelector('.facet-value');
  return page;
}

const inDialog = (selector, open = openTagged) => async () => {
  const page = await open();
  await page.click(selector);
  await page.waitForSelector('dialog[open] h2');
  return page;
};

/** Per flow: the part of the page, how it is reached, and lines of its tree in their order. Other lines may lie between them. */
const FLOWS = {
  'the empty page': ['body', async () => {
    env.mock.set(SHOP);
    const page = await env.open();
    await page.waitForSelector('.sample');
    return page;
  }, `
    link "Skip to main content":
    banner:
    navigation "Language":
    button "English" [pressed]
    main:
    heading "Shop by photo" [level=1]
    region "Photo":
    button "Choose a photo"
    button "Person in a Ribbed knit in sage"
    region "What the photo shows":
    region "Search the shop":
    combobox "Category":
    button "Find similar" [disabled]
    contentinfo:
    button "History"
    status`],
  'a tagged photo': ['#bench', openTagged, `
    figure "Photo":
    img "Your photo"
    group "Search area":
    button "Search area: the whole photo"
    button "Bottom left corner of the search area"
    button "New photo"
    term: Style
    definition: Natural
    term: Garments
    definition: Shoes
    term: Category
    definition: Dress
    paragraph: Styles were learnt from drawings, not from real photos.
    group: All labels
    button "Find similar"`],
  'the pieces': ['#photo', openTagged, `
    group "Search for one piece":
    list:
    button "Top: search for it": Top
    button "Shoes: search for it": Shoes`],
  'the results': ['#results', openResults, `
    region "Similar products":
    heading "Similar products" [level=2]
    list "Search with":
    img "Your photo"
    combobox "Sort by":
    option "Similarity" [selected]
    heading "Similar" [level=3]
    paragraph: Same product
    heading "Ribbed knit in sage" [level=4]:
    link "Ribbed knit in sage":
    button "More like this: Ribbed knit in sage": More like this
    button "Not like this: Ribbed knit in sage"
    button "Compare: Ribbed knit in sage"
    heading "Less similar" [level=3]
    button "Show more"`],
  'the filters': ['#results', async () => {
    const page = await openResults();
    await page.locator('.facet-value').first().click();
    await page.waitForSelector('.chip');
    return page;
  }, `
    button "Filters (1)" [expanded]
    list "Active filters":
    button "Category: Tops: remove": "Category: Tops"
    complementary "Filters":
    group "Category":
    checkbox "Tops 10" [checked]
    checkbox "Shoes 5"
    group "Price":
    textbox "From CNY":
    textbox "To CNY":`],
  'the comparison': ['dialog[open]', async () => {
    const page = await openResults();
    for (const at of [0, 1]) await page.locator('[data-action=compare]').nth(at).click();
    await page.waitForSelector('#compare tbody');
    return page;
  }, `
    dialog "Compare products":
    button "Close": ×
    table "Compare products":
    columnheader "Ribbed knit in sage":
    columnheader "Boxy shirt in ink":
    rowheader "Price (different)"
    cell "CN¥99"
    cell "CN¥119.50"
    rowheader "Category"`],
  'the history': ['dialog[open]', async () => {
    const page = await inDialog('#open-history')();
    await page.check('#history-on');
    await page.waitForSelector('.history-body .hint');
    return page;
  }, `
    dialog "History on this device":
    button "Close": ×
    checkbox "Keep a history on this device" [checked]
    paragraph: No entries yet. The next photo and the next product are kept.`],
  'the privacy panel': ['dialog[open]', inDialog('#open-privacy'), `
    dialog "What left this device":
    paragraph: Your photo stays on this device. Only numbers computed from it are sent.
    term: Searches with numbers computed from a photo
    definition: Nothing
    term: In all, since this page was opened
    definition: 0 bytes`],
  'the panel for web developers': ['dialog[open]', inDialog('#open-embed'), `
    dialog "Tags on your own site":
    button "Choose a photo"
    term: Value in the form
    term: Events
    code:`],
  'a failed search': ['#results', async () => {
    const page = await openTagged();
    env.mock.set({ ...SHOP, search: 500 });
    await page.click('#find-button');
    await page.waitForSelector('#results-body .notice');
    return page;
  }, `
    region "Search not completed":
    heading "Search not completed" [level=2]
    alert:
    paragraph: Something went wrong at the shop. Try again.
    button "Try again"`],
  'a file that is no photo': ['.stage', async () => {
    env.mock.set(SHOP);
    const page = await env.open();
    await page.setInputFiles('#file', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('text') });
    await page.waitForSelector('#photo-error:not([hidden])');
    return page;
  }, `
    region "Photo":
    alert: This file is not a photo. Choose a JPEG, PNG or WebP file.
    button "Choose a photo"`],
};

for (const [flow, [part, reach, expected]] of Object.entries(FLOWS)) {
  test(`the accessibility tree of ${flow}`, async () => {
    const page = await reach();
    // YAML puts lines with a colon in the middle in quotes.
    const lines = (await page.locator(part).ariaSnapshot()).split('\n').map((line) => line.trim().replace(/^- /, '').replace(/^'(.*)'(?=:|$)/, '$1').replace(/^(\w+: )"(.*)"$/, '$1$2'));
    let from = 0;
    for (const line of expected.trim().split('\n').map((line) => line.trim())) {
      const at = lines.findIndex((found, i) => i >= from && (line.endsWith(':') ? found.startsWith(line) : found === line));
      assert.ok(at >= 0, `“${line}” is missing after “${lines[from - 1] ?? 'the start'}” in:\n${lines.join('\n')}`);
      from = at + 1;
    }
    assert.deepEqual(page.problems.filter((problem) => !/500/.test(problem)), []);
    await page.context().close();
  });
}
