// Trunk's last step: gives every file but the entrance an address that changes with its content.
//
//   app/ style/ i18n/  →  assets/<hash>/…      one folder, so that modules go on importing each other by name
//   wasm/              →  wasm/<hash>/…        on its own, so that a change of style costs nobody a module
//
// Servers may call both folders immutable. The page is told the new addresses and all modules it starts with, so that they
// are fetched at once; the service worker is told the length and the SHA-256 of every file. Each file is written
// compressed, too (.br and .gz), where that makes it smaller.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const dist = process.env.TRUNK_STAGING_DIR;
if (!dist) throw new Error('TRUNK_STAGING_DIR is not set: run `trunk build` instead of this script');
/** The folder of the build before, whose compressed files are used again where nothing changed. */
const before = process.env.TRUNK_DIST_DIR;

const ASSETS = ['app', 'style', 'i18n'];
const ENTRANCE = 'index.html';
const WORKER = 'sw.js';

// English is a module of the page: it comes with the others, and stands in for words that another language lacks.
const english = join(dist, 'i18n/en.json');
writeFileSync(join(dist, 'app/english.js'), `export default ${readFileSync(english, 'utf8').trim()};\n`);
rmSync(english);

const wasm = move(['wasm'], 'wasm');
const assets = move(ASSETS, 'assets');

const started = imports(`${assets}/app/main.js`);
const later = imports(`${assets}/app/worker.js`).filter((path) => !started.includes(path));
const links = [...started.map((path) => `<link rel="modulepreload" href="${path}">`), ...later.map((path) => `<link rel="prefetch" href="${path}">`)];
const page = readFileSync(join(dist, ENTRANCE), 'utf8')
  .replace('<html ', `<html data-wasm="${wasm}/" `)
  .replace(/(href|src)="(app|style)\//g, `$1="${assets}/$2/`)
  .replace('</head>', `  ${links.join('\n  ')}\n</head>`);
const generation = createHash('sha256').update(page).digest('hex').slice(0, 12);
writeFileSync(join(dist, ENTRANCE), page.replace('<html ', `<html data-generation="${generation}" `));

const listed = files(dist).filter((file) => ![ENTRANCE, WORKER].includes(relative(dist, file)));
const known = Object.fromEntries(
  listed.map((file) => {
    const content = readFileSync(file);
    return [relative(dist, file).replaceAll(sep, '/'), [content.length, createHash('sha256').update(content).digest('hex')]];
  }),
);
const worker = readFileSync(join(dist, WORKER), 'utf8')
  .replace("'__GENERATION__'", `'${generation}'`)
  .replace("{ /* __FILES__ */ }", JSON.stringify(known).replaceAll('],', '],\n'));
writeFileSync(join(dist, WORKER), worker);

await Promise.all(files(dist).map(compress));

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

/** A module and all that it imports, directly or not; paths from the top. */
function imports(path, found = []) {
  if (found.includes(path)) return found;
  found.push(path);
  const source = readFileSync(join(dist, path), 'utf8');
  for (const [, target] of source.matchAll(/^(?:import|export) [^;]*?from '(\.[^']+)';$/gm)) imports(posix.join(posix.dirname(path), target), found);
  return found;
}

/** Writes `file` as brotli and as gzip beside it, each only if that is smaller. */
async function compress(file) {
  const content = readFileSync(file);
  const old = before && join(before, relative(dist, file));
  const unchanged = old && old !== file && existsSync(old) && content.equals(readFileSync(old));
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } };
  for (const [ending, pack] of [['br', () => promisify(brotliCompress)(content, brotli)], ['gz', () => promisify(gzip)(content, { level: 9 })]]) {
    const packed = unchanged && existsSync(`${old}.${ending}`) ? readFileSync(`${old}.${ending}`) : await pack();
    if (packed.length + 64 < content.length) writeFileSync(`${file}.${ending}`, packed);
  }
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
