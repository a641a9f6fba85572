// Trunk's last step: gives every file but the entrance an address that changes with its content.
//
//   app/ style/ i18n/  →  assets/<hash>/…      one folder, so that modules go on importing each other by name
//   wasm/              →  wasm/<hash>/…        on its own, so that a change of style costs nobody a module
//
// and tells the page and its service worker about it. Servers may call both folders immutable.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const dist = process.env.TRUNK_STAGING_DIR;
if (!dist) throw new Error('TRUNK_STAGING_DIR is not set: run `trunk build` instead of this script');

const ASSETS = ['app', 'style', 'i18n'];
const ENTRANCE = 'index.html';

const wasm = move(['wasm'], 'wasm');
const assets = move(ASSETS, 'assets');

const page = readFileSync(join(dist, ENTRANCE), 'utf8')
  .replace('<html ', `<html data-wasm="${wasm}/" `)
  .replace(/(href|src)="(app|style)\//g, `$1="${assets}/$2/`);
writeFileSync(join(dist, ENTRANCE), page);

const shell = ['./', 'icon.svg', 'manifest.webmanifest', ...files(join(dist, assets)).map((file) => relative(dist, file))];
const worker = readFileSync(join(dist, 'sw.js'), 'utf8')
  .replace('__VERSION__', hash([join(dist, ENTRANCE)]))
  .replace("['__SHELL__']", JSON.stringify(shell, null, 2));
writeFileSync(join(dist, 'sw.js'), worker);

/** Moves folders into `<into>/<hash>/` and returns that path; a folder that keeps its name isn't nested twice. */
function move(folders, into) {
  const target = `${into}/${hash(folders.flatMap((folder) => files(join(dist, folder))))}`;
  const contents = folders.map((folder) => [folder, join(dist, `.${folder}`)]);
  for (const [folder, aside] of contents) renameSync(join(dist, folder), aside);
  mkdirSync(join(dist, target), { recursive: true });
  for (const [folder, aside] of contents) {
    if (folder !== into) renameSync(aside, join(dist, target, folder));
    else {
      for (const file of readdirSync(aside)) renameSync(join(aside, file), join(dist, target, file));
      rmdirSync(aside);
    }
  }
  return target;
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hash(paths) {
  const sum = createHash('sha256');
  for (const path of paths) sum.update(relative(dist, path)).update('\0').update(readFileSync(path));
  return sum.digest('hex').slice(0, 12);
}
