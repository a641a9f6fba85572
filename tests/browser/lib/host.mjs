// A package as npm installs it, and static servers for sites that use it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize, resolve } from 'node:path';

import { QUERY, SITE, TAGGER } from './places.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Folder of the package's sources. */
export const PACKAGE = join(ROOT, 'www/package');
/** Bundle of a segmentation network. */
export const SEGMENTER = join(ROOT, 'server/bundles/outfit');

/** Bundles that every host serves below `/models/`. */
const MODELS = { tagger: TAGGER, query: QUERY, outfit: SEGMENTER };

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.wasm': 'application/wasm', '.png': 'image/png' };

/** Makes a temporary folder. `remove` deletes it. */
export function makeFolder() {
  const path = mkdtempSync(join(tmpdir(), 'selvedge-package-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Builds the package. Returns the path of the tarball. */
export const pack = (out) => execFileSync(process.execPath, [join(PACKAGE, 'build.mjs'), SITE, out], { encoding: 'utf8' }).trim();

/** Installs a tarball into a folder, as `npm install` does for a user. */
export function install(folder, tarball) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'sample-site', private: true, type: 'module' }));
  execFileSync('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', tarball], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Writes files into a folder. `files` maps paths to contents. */
export function writeFiles(folder, files) {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/**
 * Starts a static server of a folder.
 * @param {string} folder
 * @param {{cors?: boolean, csp?: string, slow?: RegExp, host?: string}} [how] `cors` allows other origins, `csp` is the policy of pages, `slow`
 *   are paths whose answer stops after its first part
 * @returns {Promise<{url: string, requests: {path: string, complete: boolean, closed: boolean}[], close: () => Promise<void>}>}
 */
export async function startHost(folder, { cors = false, csp = null, slow = null, host = 'localhost' } = {}) {
  const requests = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    if (path === '/favicon.ico') return response.writeHead(204).end();
    const seen = { path, complete: false, closed: false };
    requests.push(seen);
    response.on('finish', () => (seen.complete = true));
    response.on('close', () => (seen.closed = true));
    const [, model, rest] = /^\/models\/([a-z]+)\/(.+)$/.exec(path) ?? [];
    const file = model in MODELS ? join(MODELS[model], normalize(rest)) : join(folder, normalize(path === '/' ? '/index.html' : path));
    const headers = { 'cache-control': 'no-cache', 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' };
    if (cors) headers['access-control-allow-origin'] = '*';
    if (csp && headers['content-type'].startsWith('text/html')) headers['content-security-policy'] = csp;
    if (!existsSync(file) || !statSync(file).isFile()) return response.writeHead(404, { ...headers, 'content-type': 'text/plain' }).end('not found');
    const content = readFileSync(file);
    response.writeHead(200, { ...headers, 'content-length': content.length });
    if (!slow?.test(path)) return response.end(content);
    response.write(content.subarray(0, content.length >> 2));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://${host}:${server.address().port}/`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
