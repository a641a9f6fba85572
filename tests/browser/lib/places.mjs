// Programs and folders that the tests use. `./dev test browser` sets the environment variables. The defaults are the paths of
// the checkout.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Folder of the built page (SELVEDGE_SITE). */
export const SITE = process.env.SELVEDGE_SITE ?? join(ROOT, 'dist');
/** Program file of selvedge (SELVEDGE). */
export const PROGRAM = process.env.SELVEDGE ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/selvedge');
/** Bundle of the tagger (SELVEDGE_TAGGER). */
export const TAGGER = process.env.SELVEDGE_TAGGER ?? join(ROOT, 'server/bundles/tagger');
/** Retrieval bundle (SELVEDGE_BUNDLE). */
export const RETRIEVAL = process.env.SELVEDGE_BUNDLE ?? join(ROOT, 'server/bundles/retrieval');
/** Bundle of the query encoder (SELVEDGE_QUERY_BUNDLE). */
export const QUERY = process.env.SELVEDGE_QUERY_BUNDLE ?? join(ROOT, 'server/bundles/query');
/** Index of the demo shop (SELVEDGE_INDEX). */
export const INDEX = process.env.SELVEDGE_INDEX ?? join(ROOT, 'demo/index');
/** Source file of the style names. */
export const TAXONOMY = join(ROOT, 'shared/src/taxonomy.rs');
/** Folder of the page's text tables. */
export const TEXTS = join(ROOT, 'www/i18n');

/**
 * Returns the reason to skip a test, or false. With SELVEDGE_REQUIRE_ALL no test is skipped, so tests with missing files fail.
 * @param {...string} paths files or folders that the test needs
 */
export function missing(...paths) {
  const absent = paths.filter((path) => !existsSync(path));
  if (absent.length === 0 || process.env.SELVEDGE_REQUIRE_ALL) return false;
  return `missing: ${absent.join(', ')}; ./dev test browser builds them`;
}

/** Returns the native tags of an image file or of a box on it: `[{group, id, prob, …}]`. `content` are its bytes, `box` is in pixels. */
export const nativeTags = (content, box) => runNative(content, box, 'tag', '--json', '--bundle', TAGGER);

/** Returns the native embedding of an image file or of a box on it: `{model_id, space, values}`. */
export const nativeEmbedding = (content, box) => runNative(content, box, 'embed', '--bundle', QUERY);

async function runNative(content, box, ...command) {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-native-'));
  try {
    const file = join(folder, 'photo');
    await writeFile(file, content);
    const crop = box ? ['--box', [box.x, box.y, box.x + box.width, box.y + box.height].join(',')] : [];
    const { stdout } = await promisify(execFile)(PROGRAM, [...command, '--device', 'cpu', ...crop, file]);
    return JSON.parse(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Starts the service on a free port. If SELVEDGE_URL is set, uses the service there.
 * @param {string} [index] folder of the catalog, by default that of the demo shop
 */
export async function startService(index = INDEX) {
  if (process.env.SELVEDGE_URL) return { url: process.env.SELVEDGE_URL.replace(/\/?$/, '/'), close: async () => {} };
  const port = await freePort();
  const url = `http://localhost:${port}/`;
  // One process has a catalog open, so every service has a copy.
  const catalog = await mkdtemp(join(tmpdir(), 'selvedge-catalog-'));
  await cp(index, catalog, { recursive: true });
  const args = ['serve', '--device', 'cpu', '--listen', `127.0.0.1:${port}`, '--site', SITE, '--index', catalog, '--bundle', RETRIEVAL, '--tagger', TAGGER, '--query-bundle', QUERY];
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => (log += data));
  const ended = new Promise((done) => child.once('exit', done));
  for (let tries = 0; !(await isReady(url)); tries++) {
    if (child.exitCode !== null || tries > 300) {
      child.kill();
      throw new Error(`the server did not become ready:\n${log}`);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  return {
    url,
    close: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(catalog, { recursive: true, force: true });
    },
  };
}

/**
 * Imports products into a new catalog.
 * @param {object[]} products as `selvedge catalog export` writes them; `photo` is the content of an image file
 * @returns {Promise<{path: string, remove: () => Promise<void>}>} the folder of the catalog
 */
export async function importCatalog(products) {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-import-'));
  for (const { id, photo } of products) await writeFile(join(folder, `${id}.png`), photo);
  const lines = products.map(({ photo, ...product }) => JSON.stringify({ ...product, images: [{ source: `${product.id}.png` }] }));
  await writeFile(join(folder, 'products.ndjson'), lines.join('\n'));
  const path = join(folder, 'catalog');
  await promisify(execFile)(PROGRAM, ['catalog', 'import', join(folder, 'products.ndjson'), '--catalog', path, '--images', folder, '--bundle', RETRIEVAL, '--device', 'cpu']);
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}

const isReady = (url) => fetch(`${url}readyz`).then((response) => response.ok).catch(() => false);

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
