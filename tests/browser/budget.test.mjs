// Size limits of the files that a visitor downloads.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import { missing, QUERY, SITE, TAGGER } from './lib/places.mjs';

/** Lists the files of a build, without their compressed copies and the hashed folders of the build before. */
function listFiles(folder) {
  const page = readFileSync(join(folder, 'index.html'), 'utf8');
  const isCurrent = (path) => page.includes(/(assets|wasm)[/\\][0-9a-f]{12}/.exec(path)?.[0].replace('\\', '/') ?? '');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return files.filter((path) => !/\.(br|gz)$/.test(path) && isCurrent(path));
}
const CODINGS = { brotli: (bytes) => brotliCompressSync(bytes), gzip: (bytes) => gzipSync(bytes, { level: 9 }) };

// Browsers accept brotli over TLS and from localhost, and gzip otherwise. The resize of the CPU module is optimised for speed,
// which makes the module 8 % larger. Retrieval networks, EfficientNet-Lite and the segmenter with its pieces make it 19 % larger.
// The kernels of EfficientNet-Lite and the strips make it 4 % larger. Linking for speed makes it 27 % larger, and the network twice as fast.
for (const [what, pattern, coding, budget] of [
  ['the module with WebGPU', /selvedge-webgpu(_bg\.wasm|\.js)$/, 'brotli', 2_000_000],
  ['the module with WebGPU', /selvedge-webgpu(_bg\.wasm|\.js)$/, 'gzip', 3_300_000],
  ['the CPU module', /selvedge-cpu(_bg\.wasm|\.js)$/, 'brotli', 600_000],
  ['the CPU module', /selvedge-cpu(_bg\.wasm|\.js)$/, 'gzip', 910_000],
  ['scripts and styles', /\/(assets\/.*\.(js|css)|sw\.js)$/, 'gzip', 60 * 1024],
  ['the page without modules', /\/(assets\/.*|index\.html|sw\.js|icon\.svg)$/, 'gzip', 72 * 1024],
]) {
  test(`${what} has at most ${budget} bytes with ${coding}`, { skip: missing(SITE) }, (t) => {
    const matching = listFiles(SITE).filter((path) => pattern.test(path));
    assert.ok(matching.length > 0, `no file of ${SITE} matches ${pattern}`);
    const size = matching.reduce((sum, path) => sum + CODINGS[coding](readFileSync(path)).length, 0);
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= budget, `${size} bytes`);
  });
}

for (const [what, bundle] of [['tagger', TAGGER], ['query encoder', QUERY]]) {
  test(`the weights of the ${what} have at most 3500000 bytes`, { skip: missing(bundle) }, (t) => {
    const { bytes } = JSON.parse(readFileSync(join(bundle, 'bundle.json'))).weights;
    t.diagnostic(`${bytes} bytes`);
    assert.ok(bytes <= 3_500_000);
  });
}
