// Build of the page with fake modules, without Trunk. It runs the real finish.mjs.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { EMPTY_MODULE, fakeModule } from '../mock/server.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');

/**
 * Builds the page into a temporary folder. `remove` deletes the folder.
 * @param {(folder: string) => void} [change] changes the sources in `folder` before finish.mjs runs, to make a different release
 * @param {string} [previous] folder of the release before
 * @returns {{path: string, remove: () => void}}
 */
export function buildSite(change = () => {}, previous = '') {
  const path = mkdtempSync(join(tmpdir(), 'selvedge-site-'));
  for (const part of ['app', 'style', 'i18n', 'icons', 'sw.js', 'icon.svg', 'manifest.webmanifest']) cpSync(join(ROOT, 'www', part), join(path, part), { recursive: true });
  const page = readFileSync(join(ROOT, 'www/index.html'), 'utf8').replace(/<link data-trunk[^>]*>\n?/g, '');
  writeFileSync(join(path, 'index.html'), page);
  mkdirSync(join(path, 'wasm'));
  for (const backend of ['cpu', 'webgpu']) {
    writeFileSync(join(path, `wasm/selvedge-${backend}.js`), fakeModule('works'));
    writeFileSync(join(path, `wasm/selvedge-${backend}_bg.wasm`), EMPTY_MODULE);
  }
  change(path);
  execFileSync(process.execPath, [join(ROOT, 'www/build/finish.mjs')], { env: { ...process.env, TRUNK_STAGING_DIR: path, TRUNK_DIST_DIR: previous } });
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Returns the folder of the wasm modules of a built page. */
export const wasmFolder = (site) => join(site, /data-wasm="(wasm\/[0-9a-f]+)\/"/.exec(readFileSync(join(site, 'index.html'), 'utf8'))[1]);

/** Replaces a text in a source file. Throws if the file does not contain it. */
export function replaceIn(file, from, to) {
  const text = readFileSync(file, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
  writeFileSync(file, text.replaceAll(from, to));
}

/** Inserts a text at the start of a source file. */
export const prepend = (file, text) => writeFileSync(file, `${text}\n${readFileSync(file, 'utf8')}`);
