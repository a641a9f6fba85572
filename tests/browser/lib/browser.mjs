// Chromium, Firefox and common actions on the page. The environment variables CHROMIUM and FIREFOX name other binaries.

import { existsSync } from 'node:fs';

import { chromium, firefox } from 'playwright-core';

const QUIET = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/**
 * Starts headless Chromium. With `gpu` it has a software WebGPU adapter (SwiftShader). The page does not choose a software
 * adapter by itself, so tests request it with `?backend=webgpu`.
 */
export function launch(how) {
  return chromium.launch(launchOptions(how));
}

/** Starts headless Chromium as `launch` does, with a profile in a folder. Returns its only context. */
export function launchWithProfile(folder) {
  return chromium.launchPersistentContext(folder, launchOptions());
}

function launchOptions({ gpu = false } = {}) {
  const args = ['--no-sandbox', ...QUIET, ...(gpu ? ['--enable-unsafe-webgpu'] : [])];
  return { executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args };
}

/** Returns the path of Firefox, or undefined. */
export const findFirefox = () => [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find((path) => path && existsSync(path));

/**
 * Starts an unchanged headless Firefox and drives it through WebDriver BiDi. Firefox ESR 153 lacks the commands with which
 * playwright-core 1.65 sets up every page, so package.json has the version before.
 * @param {Record<string, boolean>} [firefoxUserPrefs] preferences, as in about:config
 */
export const launchFirefox = (firefoxUserPrefs = {}) => firefox.launch({ channel: 'moz-firefox', executablePath: findFirefox(), firefoxUserPrefs });

/**
 * Opens the page and waits until it has started.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {{query?: string, width?: number, height?: number, language?: string, scheme?: 'light'|'dark', serviceWorker?: boolean, touch?: boolean, script?: string}} [how]
 *   `serviceWorker` allows the service worker, `touch` emulates a phone, `script` runs before the scripts of the page
 */
export async function open(browser, url, { query = '', width = 1280, height = 800, language = 'en-GB', scheme = 'light', serviceWorker = false, touch = false, script = '' } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    hasTouch: touch,
    isMobile: touch,
    locale: language,
    colorScheme: scheme,
    reducedMotion: 'reduce',
    serviceWorkers: serviceWorker ? 'allow' : 'block',
  });
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  await page.goto(url + query);
  await page.waitForSelector('html.ready');
  return page;
}

/** Returns the tags in the list of the page, also if it is folded: `[{group, id, prob, on}]`. */
export const shownTags = (page) =>
  page.$$eval('li.tag', (rows) => rows.map((row) => ({ group: row.parentElement.dataset.group, id: row.dataset.id, prob: Number(row.dataset.prob), on: row.dataset.on === 'true' })));

/** Chooses a file and waits for a style or an error message. */
export async function tagPhoto(page, file, timeout = 30_000) {
  await page.setInputFiles('#file', file);
  await page.waitForSelector('.verdict, #tags .notice', { timeout });
}
