// Builds the package @selvedge/tagger from this folder, the modules of the page and the wasm modules of a built site.
//
//   node www/package/build.mjs SITE OUT
//
// SITE is the folder of the built site (dist). OUT is the folder of the tarball. Prints the path of the tarball.
//
// The modules of the page become two files, index.js and worker.js. Bundlers can copy worker.js without reading it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { esbuild, readText } from '../build/sources.mjs';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');
const WASM = ['selvedge-cpu.js', 'selvedge-cpu_bg.wasm', 'selvedge-webgpu.js', 'selvedge-webgpu_bg.wasm'];

const [site, out] = process.argv.slice(2);
if (!site || !out) throw new Error('usage: node www/package/build.mjs SITE OUT');

const folder = mkdtempSync(join(tmpdir(), 'selvedge-package-'));
try {
  joinModules('package/index.js', 'index.js');
  joinModules('app/worker.js', 'worker.js', `--define:globalThis.SELVEDGE_MODULES=${JSON.stringify(hashModules())}`);
  copyFileSync(join(HERE, 'element.js'), join(folder, 'element.js'));
  const [, version] = /^version = "(.+)"$/m.exec(readText(join(ROOT, 'Cargo.toml'))); // of all packages of the workspace
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...JSON.parse(readText(join(HERE, 'package.json'))), version }, null, 2)}\n`);
  for (const file of ['README.md', ...readdirSync(HERE).filter((name) => name.endsWith('.d.ts'))]) copyFileSync(join(HERE, file), join(folder, file));
  for (const file of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(join(ROOT, file), join(folder, file));
  mkdirSync(join(folder, 'wasm'));
  for (const file of WASM) copyFileSync(findModule(file), join(folder, 'wasm', file));
  for (const file of ['index.js', 'worker.js', 'element.js']) execFileSync(process.execPath, ['--check', join(folder, file)]);
  mkdirSync(out, { recursive: true });
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', resolve(out)], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  console.log(join(resolve(out), filename));
} finally {
  rmSync(folder, { recursive: true });
}

/** Joins a module of www/ and its imports into one module. */
function joinModules(entry, file, ...options) {
  esbuild([join(ROOT, 'www', entry), '--bundle', '--format=esm', `--outfile=${join(folder, file)}`, ...options]);
}

/** Returns a hash of the wasm modules. The worker remembers measurements for modules of the same hash. */
function hashModules() {
  const sum = createHash('sha256');
  for (const file of WASM) sum.update(readFileSync(findModule(file)));
  return sum.digest('hex').slice(0, 12);
}

/** Finds a file of the wasm modules of the built site. Its page names their folder. */
function findModule(name) {
  const page = join(site, 'index.html');
  const folder = existsSync(page) ? /data-wasm="(wasm\/[0-9a-f]+)\/"/.exec(readFileSync(page, 'utf8'))?.[1] : undefined;
  const path = folder && join(site, folder, name);
  if (!path || !existsSync(path)) throw new Error(`${site} must have ${name}; run: ./dev build-web`);
  return path;
}
