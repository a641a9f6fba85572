// Server of the pages, the libraries and the models. It counts bytes and can slow the answers down.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * "Fast 4G" of Chromium's DevTools: 9 Mbit/s, of which 90 % are used, and a latency of 60 ms × 2.75 for each request. DevTools
 * limits a page and its workers separately. This server limits all answers together, so that a library gains nothing from a worker.
 */
export const FAST_4G = { name: 'fast 4G', bytesPerSecond: (9_000_000 / 8) * 0.9, latency: 60 * 2.75 };

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };
const CHUNK = 16_384;

const compressed = new Map(); // path → gzip

/**
 * Starts the server.
 * @param {{folders: Record<string, string>, pages: Record<string, string>, gzip?: boolean, link?: object|null}} how `folders` maps
 *   prefixes of paths to folders, `pages` maps paths to HTML
 * @returns {Promise<{url: string, traffic: {bytes: number, requests: number, files: Map<string, number>}, close: () => Promise<void>}>}
 */
export async function startHost({ folders, pages, gzip = true, link = null }) {
  const traffic = { bytes: 0, requests: 0, files: new Map() };
  let free = 0; // time from which the link is free, ms
  const send = async (response, content) => {
    for (let at = 0; at < content.length; at += CHUNK) {
      const chunk = content.subarray(at, at + CHUNK);
      free = Math.max(free, performance.now()) + (1000 * chunk.length) / link.bytesPerSecond;
      await sleep(free - performance.now());
      if (response.destroyed) return;
      response.write(chunk);
    }
    response.end();
  };
  const server = createServer(async (request, response) => {
    if (link) await sleep(link.latency);
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    const page = pages[path];
    const file = page === undefined ? place(folders, path) : null;
    traffic.requests++;
    if (page === undefined && !file) return response.writeHead(404, { 'content-type': 'text/plain' }).end('not found');
    const headers = { 'content-type': page === undefined ? (TYPES[extname(file)] ?? 'application/octet-stream') : TYPES['.html'], 'cache-control': page === undefined ? 'public, max-age=31536000, immutable' : 'no-cache' };
    let content = page === undefined ? readFileSync(file) : Buffer.from(page);
    if (gzip) {
      if (!compressed.has(file ?? page)) compressed.set(file ?? page, gzipSync(content, { level: 9 }));
      content = compressed.get(file ?? page);
      headers['content-encoding'] = 'gzip';
    }
    traffic.bytes += content.length;
    traffic.files.set(path, content.length);
    response.writeHead(200, { ...headers, 'content-length': content.length });
    if (link) await send(response, content);
    else response.end(content);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://localhost:${server.address().port}`,
    traffic,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

/** Finds the file of a path. Returns null if there is none. */
function place(folders, path) {
  for (const [prefix, folder] of Object.entries(folders)) {
    const file = path.startsWith(prefix) && join(folder, normalize(`/${path.slice(prefix.length)}`));
    if (file && existsSync(file) && statSync(file).isFile()) return file;
  }
  return null;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
