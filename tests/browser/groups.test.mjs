// Labels in groups: few and certain labels per group, "not sure" where there is none, and the rest on request.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findFaults } from './lib/accessibility.mjs';
import { tagPhoto } from './lib/browser.mjs';
import { PNG, setUp } from './lib/setup.mjs';

const env = setUp({ fakeSite: true });
const { skip } = env;
const grouped = { modules: { cpu: 'groups' }, groups: true };

for (const [language, groups, drawn] of [
  ['en-GB', { style: ['Style', 'Natural'], garment: ['Garments', 'Shoes'], category: ['Category', 'Dress'], colour: ['Colour', 'Not sure'] }, /from drawings, not from real photos/],
  ['zh-CN', { style: ['风格', '自然'], garment: ['服饰', '鞋'], category: ['类别', '连衣裙'], colour: ['Colour', '不太确定'] }, /从绘图中学到/],
]) {
  test(`every group shows its certain labels, and the page says which are learnt from drawings, ${language}`, { skip }, async () => {
    env.mock.set(grouped);
    const page = await env.open({ language });
    await tagPhoto(page, PNG);
    const shown = await page.$$eval('.tag-group', (nodes) => nodes.map((node) => [node.dataset.group, [node.querySelector('dt').textContent, node.querySelector('dd').textContent]]));
    assert.deepEqual(Object.fromEntries(shown), groups);
    assert.match(await page.textContent('#style-drawn'), drawn);
    assert.ok(await page.isHidden('li.tag'), 'the rest is behind one tap');
    await page.click('#tags summary');
    assert.equal(await page.locator('li.tag').count(), 8);
    assert.equal(await page.locator('li.tag.named').count(), 3);
    assert.deepEqual(await findFaults(page), []);
    await page.context().close();
  });
}
