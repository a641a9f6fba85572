// What a visitor downloads stays within its budget.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import { missing, QUERY, SITE, TAGGER } from './lib/places.mjs';

/** The files that are built; what is compressed beside them is another form of the same. */
const files = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).filter((path) => !/\.(br|gz)$/.test(path));
const CODINGS = { brotli: (bytes) => brotliCompressSync(bytes), gzip: (bytes) => gzipSync(bytes, { level: 9 }) };

// Browsers get brotli from a server with TLS and on this machine, gzip otherwise. The module for the CPU grew by 8 % when
// the resize in it was optimised for speed instead of size.
for (const [what, pattern, coding, budget] of [
  ['the module with WebGPU', /selvedge-webgpu(_bg\.wasm|\.js)$/, 'brotli', 1_900_000],
  ['the module with WebGPU', /selvedge-webgpu(_bg\.wasm|\.js)$/, 'gzip', 3_200_000],
  ['the module for the CPU alone', /selvedge-cpu(_bg\.wasm|\.js)$/, 'brotli', 400_000],
  ['the module for the CPU alone', /selvedge-cpu(_bg\.wasm|\.js)$/, 'gzip', 550_000],
  ['the page without modules', /\/(assets\/.*|index\.html|sw\.js|icon\.svg)$/, 'gzip', 60_000],
]) {
  test(`${what} fits into ${budget} bytes, ${coding}`, { skip: missing(SITE) }, (t) => {
    const matching = files(SITE).filter((path) => pattern.test(path));
    assert.ok(matching.length > 0, `no file of ${SITE} matches ${pattern}`);
    const size = matching.reduce((sum, path) => sum + CODINGS[coding](readFileSync(path)).length, 0);
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= budget, `${size} bytes`);
  });
}

for (const [what, bundle] of [['tagger', TAGGER], ['query encoder', QUERY]]) {
  test(`the weights of the ${what} fit into 3500000 bytes`, { skip: missing(bundle) }, (t) => {
    const { bytes } = JSON.parse(readFileSync(join(bundle, 'bundle.json'))).weights;
    t.diagnostic(`${bytes} bytes`);
    assert.ok(bytes <= 3_500_000);
  });
}
