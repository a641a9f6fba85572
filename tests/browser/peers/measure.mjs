// Compares @selvedge/tagger with onnxruntime-web, transformers.js and LiteRT.js on the same network, in Chromium.
//
//   node measure.mjs MODELS [--part NAME]… [--rounds N] [--photo FILE]
//
// MODELS is the folder that export.py has written. `./dev compare-libraries` installs everything and calls this program. Prints
// Markdown tables on stdout and progress on stderr.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { launch, launchWithProfile } from '../lib/browser.mjs';
import { missing, PROGRAM } from '../lib/places.mjs';
import { photo as drawnPhoto } from '../mock/shop.mjs';
import { median, quartiles, rotate, spread, table } from './figures.mjs';
import { FAST_4G } from './host.mjs';
import { height, LIBRARIES, manifest, missingFile, pagePath, startPages, versions, width } from './libraries.mjs';
import { openMeter, RECORDER } from './memory.mjs';
import { makePhoto, PHOTO } from './photo.mjs';
import { calibrate, difference, nativeProbabilities, tagged } from './probabilities.mjs';

const PARTS = { network, first, steady, memory, webgpu };
const NAMES = Object.keys(LIBRARIES);
const [OURS, ORT] = NAMES;

const FIRST_ROUNDS = 5;
const WARM_UP = 10;
const TAGS = 50;
const MANY = 1000;
const LONG = 600_000;

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { part: { type: 'string', multiple: true }, rounds: { type: 'string' }, photo: { type: 'string' } } });
const models = positionals[0];
const wanted = options.part ?? Object.keys(PARTS);
const unknown = wanted.find((part) => !(part in PARTS));
if (!models || unknown) throw new Error(`usage: node measure.mjs MODELS [--part NAME]… [--rounds N] [--photo FILE]; the parts are ${Object.keys(PARTS).join(', ')}`);
const absent = missingFile(models);
if (absent) throw new Error(`${absent} is missing; run: ./dev compare-libraries`);

const say = (text) => process.stderr.write(`    ${text}\n`);
const photo = await makePhoto(options.photo ? readFileSync(options.photo) : drawnPhoto(480, 640));
console.log(`${NAMES.map((name) => `${name} ${versions()[name]}`).join(', ')}; ${await browserVersion()}; ${cpus().length} cores, ${cpus()[0].model}; photo ${PHOTO.width}×${PHOTO.height}, ${photo.jpeg.length} bytes\n`);
for (const part of wanted) {
  say(`part ${part}`);
  await PARTS[part]();
}

// ---------------------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------------------

/** The network alone: equal inputs, one page, one thread, in turns. */
async function network() {
  const host = await startPages(models, { gzip: false });
  const browser = await launch();
  try {
    const page = await openPage(browser, `${host.url}/network`);
    await page.waitForFunction(() => window.compare);
    const how = { rgba: [...photo.input], warmUp: 60, rounds: Number(options.rounds ?? 200) };
    const { times, outputs } = await page.evaluate((given) => window.compare(given), how);
    const native = missing(PROGRAM) ? null : await nativeProbabilities(photo.png);
    const rows = Object.keys(times).map((name) => {
      const ratios = times[name].map((ms, at) => ms / times[ORT][at]);
      const probabilities = name === OURS ? tagged(outputs[name]) : calibrate(outputs[name]);
      return [name, ...quartiles(times[name]).map((ms) => ms.toFixed(1)), ...quartiles(ratios).map((ratio) => ratio.toFixed(2)), native ? difference(probabilities, native).toExponential(1) : 'program missing'];
    });
    table('Network alone, CPU, one thread', ['library', 'ms, q1', 'median', 'q3', `÷ ${ORT}, q1`, 'median', 'q3', 'largest difference of a probability from `selvedge tag`'], rows);
  } finally {
    await browser.close();
    await host.close();
  }
}

/** Bytes and time to the first tags: first visit, second visit, loopback and fast 4G. */
async function first() {
  const bytes = {};
  for (const gzip of [false, true]) {
    const host = await startPages(models, { gzip });
    for (const name of NAMES) {
      await visits(host, name, 1);
      (bytes[name] ??= []).push(host.traffic.bytes, host.traffic.requests);
      host.traffic.bytes = host.traffic.requests = 0;
    }
    await host.close();
  }
  table('Bytes up to the first tags, first visit', ['library', 'MB', 'MB with gzip', 'requests'], NAMES.map((name) => [name, (bytes[name][0] / 1e6).toFixed(2), (bytes[name][2] / 1e6).toFixed(2), bytes[name][3]]));

  const times = Object.fromEntries(NAMES.map((name) => [name, []]));
  const links = [null, FAST_4G];
  for (let round = 0; round < FIRST_ROUNDS; round++) {
    say(`first tags, round ${round + 1} of ${FIRST_ROUNDS}`);
    for (const [at, link] of links.entries()) {
      const host = await startPages(models, { gzip: true, link });
      for (const name of rotate(NAMES, round)) {
        const [cold, warm] = await visits(host, name, 2);
        (times[name][2 * at] ??= []).push(cold);
        (times[name][2 * at + 1] ??= []).push(warm);
      }
      await host.close();
    }
  }
  const columns = links.flatMap((link) => [`${link?.name ?? 'loopback'}, first visit`, `${link?.name ?? 'loopback'}, second visit`]);
  table(`Time to the first tags, s: median (lowest–highest) of ${FIRST_ROUNDS}, CPU, gzip`, ['library', ...columns], NAMES.map((name) => [name, ...times[name].map((all) => spread(all.map((ms) => ms / 1000), 2))]));
}

/** Repeated tags of a file and of a decoded picture. One page per library, which take turns. */
async function steady() {
  const host = await startPages(models, { gzip: false });
  const browser = await launch();
  try {
    const pages = {};
    for (const name of NAMES) pages[name] = await openLibrary(browser, host, name, 'cpu');
    for (const [kind, title] of [['file', 'Photo file to tags'], ['picture', 'Decoded picture to tags']]) {
      for (const name of NAMES) await repeat(pages[name], WARM_UP, kind);
      const times = Object.fromEntries(NAMES.map((name) => [name, []]));
      for (let round = 0; times[OURS].length < TAGS; round++) {
        for (const name of rotate(NAMES, round)) times[name].push(...(await repeat(pages[name], 5, kind)));
      }
      const rows = NAMES.map((name) => [name, ...quartiles(times[name]).map((ms) => ms.toFixed(1)), (median(times[name]) / median(times[ORT])).toFixed(2)]);
      table(`${title}, ms, of ${TAGS} after ${WARM_UP}, CPU, one thread`, ['library', 'q1', 'median', 'q3', `median ÷ ${ORT}`], rows);
    }
  } finally {
    await browser.close();
    await host.close();
  }
}

/** Memory after few and after many tags. One browser per library. */
async function memory() {
  const host = await startPages(models, { gzip: false });
  const rows = [];
  for (const name of NAMES) {
    const browser = await launch();
    try {
      const page = await openLibrary(browser, host, name, 'cpu', RECORDER);
      const measure = await openMeter(browser, page);
      await repeat(page, WARM_UP - 1); // after the first tags
      const few = await measure();
      for (let done = WARM_UP; done < MANY; done += 99) await repeat(page, 99);
      const many = await measure();
      rows.push([name, ...['wasm', 'heap', 'resident'].map((kind) => `${(few[kind] / 1e6).toFixed(1)} → ${(many[kind] / 1e6).toFixed(1)}`)]);
      say(rows.at(-1).join(' | '));
    } finally {
      await browser.close();
    }
  }
  await host.close();
  table(`Memory after ${WARM_UP} → after ${MANY} tags, MB, CPU`, ['library', 'wasm memory', 'JS heap', 'resident set of the page’s process'], rows);
}

/** WebGPU. In headless Chromium without a GPU the adapter is SwiftShader, a program. */
async function webgpu() {
  const host = await startPages(models, { gzip: true });
  const rows = [];
  let adapter = '';
  for (const name of NAMES) {
    const browser = await launch({ gpu: true });
    try {
      host.traffic.bytes = 0;
      const page = await openLibrary(browser, host, name, 'webgpu').catch((error) => void say(`${name}: ${error.message}`));
      if (!page) {
        rows.push([name, 'failed', '', '']);
        continue;
      }
      adapter ||= await page.evaluate(async () => {
        const { vendor = '', architecture = '', description = '' } = (await navigator.gpu.requestAdapter())?.info ?? {};
        return [vendor, architecture, description].filter(Boolean).join(' ');
      });
      const { ms } = await page.evaluate(() => window.first);
      const { bytes } = host.traffic;
      await repeat(page, 3);
      rows.push([name, (bytes / 1e6).toFixed(2), (ms / 1000).toFixed(1), median(await repeat(page, 10)).toFixed(0)]);
      say(rows.at(-1).join(' | '));
    } finally {
      await browser.close();
    }
  }
  await host.close();
  table(`WebGPU on the adapter “${adapter}”`, ['library', 'MB with gzip', 'first tags, s, loopback', 'photo to tags, ms, median of 10 after 4'], rows);
}

// ---------------------------------------------------------------------------------------------------------------------
// Pages
// ---------------------------------------------------------------------------------------------------------------------

/** Visits a library's page with a new profile, `count` times. Returns the time to the first tags of each visit, ms. */
async function visits(host, name, count) {
  const profile = mkdtempSync(join(tmpdir(), 'selvedge-profile-'));
  const times = [];
  try {
    for (let visit = 0; visit < count; visit++) {
      const context = await launchWithProfile(profile);
      try {
        const page = await openLibrary(context, host, name, 'cpu');
        times.push((await page.evaluate(() => window.first)).ms);
        await page.waitForTimeout(visit + 1 < count ? 3000 : 0); // for the caches
      } finally {
        await context.close();
      }
    }
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return times;
}

/** Opens the page of a library and waits for the first tags. */
async function openLibrary(browser, host, name, backend, script) {
  const page = await openPage(browser, host.url + pagePath(name, backend), script);
  await page.waitForFunction(() => window.first, null, { timeout: LONG });
  const { error, tags } = await page.evaluate(() => window.first);
  if (error || tags.length !== manifest().labels.length) throw new Error(`${name} on ${backend}: ${error ?? `${tags.length} tags`}`);
  return page;
}

async function openPage(browser, url, script = null) {
  const page = await browser.newPage();
  page.setDefaultTimeout(LONG);
  page.on('pageerror', (error) => say(`${url}: ${error}`));
  const base64 = photo.jpeg.toString('base64');
  if (script) await page.addInitScript(script);
  await page.addInitScript(`window.photo = (async () => new Blob([Uint8Array.from(atob('${base64}'), (c) => c.charCodeAt(0))], { type: 'image/jpeg' }))();`);
  await page.goto(url);
  return page;
}

/** Repeats tags of the photo's file or of its decoded picture on a page. Returns the time of each, ms. */
function repeat(page, runs, kind = 'picture') {
  return page.evaluate((given) => window.repeat(...given), [runs, kind]);
}

async function browserVersion() {
  const browser = await launch();
  const version = browser.version();
  await browser.close();
  return `Chromium ${version}`;
}
