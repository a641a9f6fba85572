// Draws the PNG icons from icon.svg with Chromium. Run it after a change of icon.svg:  node www/icons/draw.mjs
//
// Systems cut maskable icons and touch icons to their own shape, and only a circle of 80 % of the width is certain to be seen.
// These icons show a part of the drawing further to the right, so that the thread is inside that circle.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const here = import.meta.dirname;
const { chromium } = createRequire(join(here, '../../tests/browser/package.json'))('playwright-core');
const drawing = readFileSync(join(here, '../icon.svg'), 'utf8');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage();
for (const [name, size, left] of [['icon-192', 192, 0], ['icon-512', 512, 0], ['maskable-512', 512, 8], ['touch-180', 180, 8]]) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100vw }</style>${drawing.replace('"0 0 64 64"', `"${left} 0 64 64"`)}`);
  writeFileSync(join(here, `${name}.png`), await page.screenshot());
}
await browser.close();
