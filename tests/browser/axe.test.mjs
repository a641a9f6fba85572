// Accessibility: axe-core finds nothing in any state of the page, and the accessibility tree has what a screen reader needs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { PNG, setUp } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const SHOP = { modules: { cpu: 'groups' }, groups: 'curves', encoder: true };

/** Returns a sentence per violation. */
async function violations(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), RULES);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary}`));
}

/** Actions that lead from one state to the next. */
const STATES = {
  start: (page) => page.waitForSelector('.sample'),
  history: async (page) => {
    await page.click('#open-history');
    await page.check('#history-on');
  },
  photo: async (page) => {
    await page.click('#panel .close');
    await page.setInputFiles('#file', PNG);
    await page.waitForSelector('.verdict');
  },
  labels: async (page) => {
    await page.click('#tags summary');
    await page.waitForSelector('.dial');
  },
  map: async (page) => {
    await page.click('#explain');
    await page.waitForSelector('#map-words');
  },
  results: async (page) => {
    await page.click('#find-button');
    await page.waitForSelector('.card-link');
  },
  product: async (page) => {
    await page.locator('.card-link').first().click();
    await page.waitForSelector('#product dl');
  },
  privacy: async (page) => {
    await page.click('#product .close');
    await page.click('#open-privacy');
    await page.waitForSelector('#panel dd[data-kind=total]');
  },
  embed: async (page) => {
    await page.click('#panel .close');
    await page.click('#open-embed');
    await page.waitForSelector('style-tagger [part=tag]');
  },
  entries: async (page) => {
    await page.click('#panel .close');
    await page.click('#open-history');
    await page.waitForSelector('.history-entry');
  },
};

for (const [what, how] of [
  ['light', {}],
  ['dark, Chinese', { scheme: 'dark', language: 'zh-CN' }],
  ['320 px', { width: 320, height: 640, touch: true }],
  ['320 px, dark, Chinese', { width: 320, height: 640, scheme: 'dark', language: 'zh-CN' }],
  ['forced colours', { forced: true }],
]) {
  test(`axe finds nothing in any state: ${what}`, async () => {
    env.mock.set(SHOP);
    const page = await env.open(how);
    if (how.forced) await page.emulateMedia({ forcedColors: 'active' });
    for (const [state, reach] of Object.entries(STATES)) {
      await reach(page);
      assert.deepEqual(await violations(page), [], state);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${state} scrolls sideways`);
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

/** Returns the accessibility tree as lines `role “name”`, without texts and containers that have no name. */
async function tree(page) {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  return nodes.filter(({ ignored, name, role }) => !ignored && name?.value && !['StaticText', 'InlineTextBox', 'RootWebArea'].includes(role.value)).map(({ role, name }) => `${role.value} “${name.value}”`);
}

test('the accessibility tree of the main flow has names for everything that can be used', async () => {
  env.mock.set(SHOP);
  const page = await env.open();
  const includes = async (...lines) => {
    const present = await tree(page);
    for (const line of lines) assert.ok(present.includes(line), `${line} is missing in:\n${present.join('\n')}`);
  };
  await STATES.start(page);
  await includes('link “Skip to main content”', 'heading “Shop by photo”', 'region “Photo”', 'button “Choose a photo”', 'navigation “Language”', 'button “中文”', 'combobox “Category”', 'button “Find similar”', 'button “Sent from this device: 0 bytes”');
  await page.setInputFiles('#file', PNG);
  await page.waitForSelector('.verdict');
  await includes('image “Your photo”', 'group “Search area”', 'button “Search area: the whole photo”', 'button “Top left corner of the search area”', 'region “What the photo shows”', 'term “Garments”');
  await STATES.labels(page);
  await includes('slider “Garments: how much to name”', 'button “Show what decided a label”');
  await STATES.map(page);
  await includes('combobox “Map for the label”', 'button “Close the map”');
  await STATES.results(page);
  await includes('heading “Similar products”', 'link “Ribbed knit in sage”');
  await STATES.product(page);
  await includes('dialog “Ribbed knit in sage”', 'button “Close”');
  await STATES.privacy(page);
  await includes('dialog “What left this device”');
  await page.context().close();
});
