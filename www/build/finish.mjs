// Last step of the build with Trunk: moves files into folders whose names contain a hash of the content.
//
//   app/ style/ i18n/  →  assets/<hash>/…      one folder, so that modules find each other by name
//   wasm/              →  wasm/<hash>/…        a separate folder, so that other changes do not change the modules' URLs
//
// Servers may send both folders as immutable. The script writes the new URLs into index.html, with preload links for all
// modules, and an import map with the SHA-256 of every module of the page. Workers have no import map. It writes the length
// and the SHA-256 of every file into the service worker. Before that, esbuild joins the
// modules of the page, of its worker and of the package's element into few files, and shortens them and the styles. The script also
// writes each file compressed (.br and .gz), if that is smaller. The two folders of the build before stay next to the new ones, so that
// a tab that was opened before a deploy still finds its files.

import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

import { joinModules, listImports, readText, shorten } from './sources.mjs';

const dist = process.env.TRUNK_STAGING_DIR;
if (!dist) throw new Error('TRUNK_STAGING_DIR is not set: run `trunk build` instead of this script');
/** Folder of the previous build. Its hashed folders and the compressed files of unchanged files are copied from it. */
const previous = process.env.TRUNK_DIST_DIR;

const ASSETS = ['app', 'style', 'i18n'];
/** Folder of the package's sources, and its modules that the page uses. */
const PACKAGE = resolve(import.meta.dirname, '../package');
const PACKAGE_MODULES = ['element.js', 'index.js'];
const PAGE = 'index.html';
const SERVICE_WORKER = 'sw.js';

// English becomes a module of the page. It replaces texts that another language lacks. Names that i18n.js makes of ids are left out.
const english = join(dist, 'i18n/en.json');
const texts = Object.entries(JSON.parse(readText(english))).filter(([key, text]) => !isMadeOfId(key, text));
writeFileSync(join(dist, 'app/english.js'), `export default ${JSON.stringify(Object.fromEntries(texts))};\n`);
rmSync(english);

rmSync(join(dist, 'icons/draw.mjs'), { force: true });
mkdirSync(join(dist, 'package'));
for (const name of PACKAGE_MODULES) copyFileSync(join(PACKAGE, name), join(dist, 'package', name));
joinModules(join(dist, 'app'), ['main.js', 'worker.js']);
rmSync(join(dist, 'package'), { recursive: true });
joinStyles();
shorten(dist, [join(dist, 'app/boot.js'), ...listFiles(join(dist, 'style'))]);

const wasm = moveToHashedFolder(['wasm'], 'wasm');
const assets = moveToHashedFolder(ASSETS, 'assets');

const importsOf = (module) => listImports((path) => readText(join(dist, path)), `${assets}/app/${module}`);
const pageModules = importsOf('main.js').reverse();
const links = pageModules.map((path) => `<link rel="modulepreload" href="${path}">`);
const page = readFileSync(join(dist, PAGE), 'utf8')
  .replace('<html ', `<html data-wasm="${wasm}/" `)
  .replace(/(href|src)="(app|style)\//g, `$1="${assets}/$2/`)
  .replace('</head>', `  ${links.join('\n  ')}\n</head>`)
  .replace(/( *<meta http-equiv="Content-Security-Policy"\s+content="[^"]*script-src 'self')([^>]*>\n)/, addImportMap);
const generation = createHash('sha256').update(page).digest('hex').slice(0, 12);
writeFileSync(join(dist, PAGE), page.replace('<html ', `<html data-generation="${generation}" `));

const cachedFiles = listFiles(dist).filter((file) => ![PAGE, SERVICE_WORKER].includes(relative(dist, file)));
const entries = Object.fromEntries(
  cachedFiles.map((file) => {
    const digest = createHash('sha256').update(readFileSync(file)).digest('hex');
    return [relative(dist, file).replaceAll(sep, '/'), digest.slice(0, 20)];
  }),
);
const start = ['icon.svg', 'manifest.webmanifest', ...pageModules, ...listFiles(dist).map((file) => relative(dist, file).replaceAll(sep, '/')).filter((path) => /\/(boot\.js|style\/[^/]+\.css)$/.test(path))];
const serviceWorker = readFileSync(join(dist, SERVICE_WORKER), 'utf8')
  .replace("'__GENERATION__'", `'${generation}'`)
  .replace("[ /* __START__ */ ]", JSON.stringify(start))
  .replace("{ /* __FILES__ */ }", JSON.stringify(entries).replaceAll('],', '],\n'));
writeFileSync(join(dist, SERVICE_WORKER), serviceWorker);
shorten(dist, [join(dist, SERVICE_WORKER)]);

await Promise.all(listFiles(dist).map(compress));
keepPreviousBuild();

/** Copies the hashed folders that the page of the previous build names. Older ones are left out. */
function keepPreviousBuild() {
  const oldPage = previous && join(previous, PAGE);
  if (!oldPage || !existsSync(oldPage)) return;
  const named = new Set(readText(oldPage).match(/\b(assets|wasm)\/[0-9a-f]{12}(?=\/)/g));
  for (const folder of named) {
    const from = join(previous, folder);
    if (existsSync(from) && !existsSync(join(dist, folder))) cpSync(from, join(dist, folder), { recursive: true });
  }
}

/** True if `readable` of i18n.js makes the English name of a label or of a value from its id. */
function isMadeOfId(key, text) {
  const id = /^(?:label|group|piece|colour|garment|fit|neckline|sleeve|pattern|fabric|heel)\.([a-z]+(?:_[a-z]+)*)$/.exec(key)?.[1].replaceAll('_', ' ');
  return id !== undefined && text === id.charAt(0).toUpperCase() + id.slice(1);
}

/** Joins the styles of the page in their order into one file. */
function joinStyles() {
  const page = readText(join(dist, PAGE));
  const [first, ...others] = page.matchAll(/<link rel="stylesheet" href="(style\/[^"]+)">/g);
  const text = [first, ...others].map(([, path]) => readText(join(dist, path))).join('\n');
  for (const [, path] of [first, ...others]) rmSync(join(dist, path));
  writeFileSync(join(dist, 'style/page.css'), text);
  const shorter = others.reduce((html, [link]) => html.replace(link, ''), page);
  writeFileSync(join(dist, PAGE), shorter.replace(first[0], '<link rel="stylesheet" href="style/page.css">'));
}

/** Moves folders into `<parent>/<hash>/` and returns that path. The content of a folder named `parent` is not nested again. */
function moveToHashedFolder(folders, parent) {
  const target = `${parent}/${hashFiles(folders.flatMap((folder) => listFiles(join(dist, folder))))}`;
  const moves = folders.map((folder) => [folder, join(dist, `.${folder}`)]);
  for (const [folder, temporary] of moves) renameSync(join(dist, folder), temporary);
  mkdirSync(join(dist, target), { recursive: true });
  for (const [folder, temporary] of moves) {
    if (folder !== parent) renameSync(temporary, join(dist, target, folder));
    else {
      for (const file of readdirSync(temporary)) renameSync(join(temporary, file), join(dist, target, file));
      rmdirSync(temporary);
    }
  }
  return target;
}

/** Adds the import map with the hashes of all modules after the content security policy, which allows it by its own hash. */
function addImportMap(found, before, after) {
  const modules = readdirSync(join(dist, assets, 'app')).filter((name) => name.endsWith('.js') && name !== 'boot.js').map((name) => `${assets}/app/${name}`);
  const hash = (content) => `sha256-${createHash('sha256').update(content).digest('base64')}`;
  const integrity = Object.fromEntries(modules.map((path) => [`./${path}`, hash(readFileSync(join(dist, path)))]));
  const map = JSON.stringify({ integrity });
  return `${before} '${hash(map)}'${after}  <script type="importmap">${map}</script>\n`;
}

/** Writes `<file>.br` and `<file>.gz`, each only if it is smaller than `file`. */
async function compress(file) {
  const content = readFileSync(file);
  const old = previous && join(previous, relative(dist, file));
  const unchanged = old && old !== file && existsSync(old) && content.equals(readFileSync(old));
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } };
  const encoders = [
    ['br', () => promisify(brotliCompress)(content, brotli)],
    ['gz', () => promisify(gzip)(content, { level: 9 })],
  ];
  for (const [extension, encode] of encoders) {
    const encoded = unchanged && existsSync(`${old}.${extension}`) ? readFileSync(`${old}.${extension}`) : await encode();
    if (encoded.length + 64 < content.length) writeFileSync(`${file}.${extension}`, encoded);
  }
}

/** Lists all files of a folder and its subfolders, sorted. */
function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Hashes the relative paths and the content of files. Returns 12 hexadecimal digits. */
function hashFiles(paths) {
  const sum = createHash('sha256');
  for (const path of paths) sum.update(relative(dist, path)).update('\0').update(readFileSync(path));
  return sum.digest('hex').slice(0, 12);
}
