// Mock of `selvedge serve` with faults: errors, delays, damaged files.
//
// As a program it serves the page for manual tests:  node mock/server.mjs DIST [PORT]

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { drawing, photo, products } from './shop.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png',
  '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/** Reads a bundle folder. Without one, returns placeholder bytes, which are enough for the fake modules. */
function readBundle(folder) {
  if (folder) {
    const manifest = JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8'));
    return { manifest, weights: readFileSync(join(folder, manifest.weights.file)) };
  }
  const weights = Buffer.alloc(300_000, 7);
  const sha256 = createHash('sha256').update(weights).digest('hex');
  return { manifest: { format: 1, id: 'mock', weights: { file: 'weights.safetensors', bytes: weights.length, sha256 } }, weights };
}

/** Shortest wasm module that compiles. Fake modules have it as their binary. */
export const EMPTY_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** Groups in the manifest of a tagger with groups. The style labels were learnt from drawings. */
const TAG_GROUPS = [
  { name: 'style', kind: 'several', labels: 2, drawn: true, precise: { labels: [] } },
  { name: 'garment', kind: 'several', labels: 2, precise: { labels: [] } },
  { name: 'category', kind: 'one', labels: 2, precise: { labels: [] } },
  { name: 'colour', kind: 'one', labels: 2, precise: { labels: [] } },
];

const point = (threshold, precision, recall) => ({ threshold, precision, recall });
/** Precise thresholds and curves of the groups. The last group has none. */
const POINTS = [
  { precise: { labels: [point(0.8, 0.9, 0.2), null] }, curves: [[point(0.8, 0.9, 0.2), point(0.5, 0.7, 0.4)], [point(0.2, 0.5, 0.6)]] },
  { precise: { labels: [point(0.7, 0.9, 0.5), null] }, curves: [[point(0.7, 0.9, 0.5)], [point(0.55, 0.6, 0.5), point(0.1, 0.3, 0.9)]] },
  { precise: { labels: [point(0.4, 0.8, 0.8), point(0.4, 0.8, 0.8)] }, curves: [[point(0.4, 0.8, 0.8)], [point(0.42, 0.6, 0.7)]] },
  {},
];
/** Groups and labels of the manifest of a tagger with groups. */
const groupsOf = ({ groups }) =>
  groups && {
    groups: TAG_GROUPS.map((group, at) => (groups === 'curves' ? { ...group, ...POINTS[at] } : group)),
    labels: ['natural', 'shoes', 'shoes', 'skirt', 'dress', 'shirt', 'red', 'blue'],
  };

/** Security headers that the service sends with every answer. */
const POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default";
const PERMISSIONS = 'camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), display-capture=(), accelerometer=(), gyroscope=(), magnetometer=()';
const policyFor = (html = '') => `${POLICY}; script-src 'self' 'wasm-unsafe-eval'${inlineHashes(html)}`;
const inlineHashes = (html) =>
  [...html.matchAll(/<script[^>]*>([^<]+)<\/script/g)].map(([, script]) => ` 'sha256-${createHash('sha256').update(script).digest('base64')}'`).join('');

/**
 * Returns the source of a fake module that replaces a real one.
 * @param {string} behaviour one of:
 *   - `works`, `hangs`, `throws`, `panics`: result of loading a model
 *   - `hangs-later`, `embed-hangs`, `cannot-embed`: failure of later calls
 *   - `wrong`: different tags on the GPU
 *   - `reports`: sends every call to the mock (`/mock/tag?WIDTHxHEIGHT` with the size of its box, `embed?…`, `find?…`) and waits for
 *     the answer
 *   - `webgpu-slow`, `cpu-slow`: a call takes longer on this backend
 *   - `precise`: precise thresholds for all labels but one
 *   - `unsure`: precise thresholds that no label reaches
 *   - `groups`: labels in the groups of `TAG_GROUPS`
 *   - `corner`: the label `natural` depends on the upper left corner of the photo alone
 */
export const fakeModule = (behaviour) => `
  const never = new Promise(() => {});
  const report = async (call) => '${behaviour}' === 'reports' && (await fetch('/mock/' + call));
  export default async function init({ module_or_path: module }) {
    if (!((await module) instanceof WebAssembly.Module)) throw new TypeError('not a module');
  }
  const invalid = (message) => Object.assign(new Error(message), { name: 'input_invalid' });
  // Counts the pixels of the part of the image that its box has, and remembers little of them.
  export class Intake {
    first = null; // colour of the upper left pixel
    plain = true; // true if all pixels have one colour
    constructor(spec, width, height, crop) {
      const box = crop ? JSON.parse(crop) : { x: 0, y: 0, width, height };
      if (![...Object.values(box), box.x + box.width <= width, box.y + box.height <= height].every((value) => value === true || Number.isInteger(value))) throw invalid('the box');
      Object.assign(this, { width, height, box, missing: 4 * box.width * box.height });
    }
    static forSubject(width, height) {
      return new Intake('{}', width, height);
    }
    window() {
      return Uint32Array.of(this.box.x, this.box.y, this.box.width, this.box.height);
    }
    push(rgba) {
      if (!(rgba instanceof Uint8Array) || rgba.length % (4 * this.box.width) || rgba.length > this.missing) throw invalid('rows do not fit the window');
      this.missing -= rgba.length;
      this.first ??= rgba.slice(0, 4);
      this.plain &&= rgba.every((value, at) => value === this.first[at % 4]);
    }
    values() {
      if (this.missing) throw invalid('rows are missing');
      return new Float32Array(3);
    }
    get size() {
      this.values();
      return this.box.width + 'x' + this.box.height;
    }
    free() {}
  }
  // Proposes a fixed box, and none for a plain image. wasm.test.mjs tests the real function.
  export function proposeBox({ width, height, plain }) {
    return plain ? undefined : JSON.stringify({ x: width / 4, y: 0, width: width / 2, height: height / 4 });
  }
  export class Model {
    static async load(manifest, weights, backend) {
      if ('${behaviour}' === 'hangs') await never;
      if ('${behaviour}' === 'throws') throw Object.assign(new Error('no device'), { name: 'device_failed' });
      if ('${behaviour}' === 'panics') { setTimeout(() => { throw new Error('unreachable'); }); await never; }
      return Object.assign(new Model(), { name: backend, weights: JSON.parse(manifest).weights.sha256 });
    }
    intake(width, height, crop) {
      return new Intake('{}', width, height, crop);
    }
    async tag({ size, first }) {
      if ('${behaviour}' === 'hangs-later' && size !== '8x8') await never;
      if ('${behaviour}' === this.name + '-slow') await new Promise((done) => setTimeout(done, 60));
      await report('tag?' + size);
      const precise = { precise: (id) => (id === 'casual' ? null : 0.42), unsure: () => 0.9 }['${behaviour}'];
      const probs = { natural: 0.86, casual: 0.71, minimalist: 0.44, korean: 0.31, japanese: 0.22, ladylike: 0.12, ol_commuter: 0.09, sport: 0.08,
        european_american: 0.07, british: 0.04, girlish: 0.03, street_punk: 0.02, ethnic: 0.01 };
      if ('${behaviour}' === 'wrong' && this.name === 'webgpu') probs.natural = 0.5;
      if ('${behaviour}' === 'corner') probs.natural = first[0] === 128 ? 0.1 : 0.86;
      if ('${behaviour}' === 'groups') {
        const labels = [['style', 'natural', 0.86, 0.8], ['style', 'shoes', 0.3, 0.8], ['garment', 'shoes', 0.9, 0.7], ['garment', 'skirt', 0.6, null],
          ['category', 'dress', 0.5, 0.4], ['category', 'shirt', 0.45, 0.4], ['colour', 'red', 0.5, 0.9], ['colour', 'blue', 0.5, 0.9]];
        return labels.map(([group, id, prob, precise]) => ({ id, group, prob, threshold: 0.2, precise, on: true, stated: prob >= (precise ?? 2) }));
      }
      return Object.entries(probs).map(([id, prob]) => ({ id, prob, threshold: 0.05, precise: precise?.(id) ?? null, on: prob >= 0.05 }));
    }
    async embed({ size, width, height }) {
      if ('${behaviour}' === 'cannot-embed') throw Object.assign(new Error('no numbers'), { name: 'inference_failed' });
      if ('${behaviour}' === 'embed-hangs' && size !== '8x8') await never;
      await report('embed?' + size);
      return Float32Array.from([0.6, size === width + 'x' + height ? 0.8 : -0.8]);
    }
    async pieces({ size, width, height }) {
      await report('find?' + size);
      const box = { x: width / 4, y: height / 5, width: width / 2, height: height / 2 };
      const shoes = { x: width / 4, y: height * 0.8, width: width / 4, height: height / 10 };
      return { pieces: [{ class: 'top', box, share: 0.25, score: 0.9 }, { class: 'shoes', box: shoes, share: 0.02, score: 0.8 }], person: null };
    }
    async shares() { return Float32Array.from([0.5, 0.5]); }
    backend() { return this.name; }
    modelId() { return 'mock@' + ('${behaviour}' === 'groups' ? this.weights.slice(0, 12) : '0'); }
    dispose() {}
  }`;

/**
 * Starts the mock.
 * @param {{site: string, port?: number, bundle?: string, query?: string}} options folders of the page, of a real tagger and of a real
 *   query encoder
 * @returns {Promise<{url: string, requests: {method: string, path: string, bytes: number, fields?: object, size?: string, query?: object, counts?: object}[],
 *   set: (faults: object) => void, close: () => Promise<void>}>} `requests` lists all requests with the size of their bodies. A search
 *   also has its form fields and the size of its image, or its JSON query. A request for counts has its JSON query as `counts`. `set`
 *   replaces all faults:
 *   - `tagger`, `search`: HTTP status of the answer
 *   - `precise`: the manifest of the tagger states precise thresholds
 *   - `groups`: the manifest of the tagger has `TAG_GROUPS`; 'curves' adds their curves
 *   - `encoder`: false serves no query encoder; true serves a placeholder unless `query` names a real one
 *   - `segmenter`: true serves a placeholder of a segmenter
 *   - `weights`: 'damaged' or 'slow'
 *   - `modules`: {webgpu, cpu}, behaviours of fake modules; by default the built modules are served
 *   - `latency`: delay of a search, ms
 *   - `compute`: delay of a reported call, ms; `hold`: promise that a reported call waits for
 *   - `empty`: a search has no hits
 *   - `floor`, `confidence`: as in the answer
 *   - `facets`: counts in the answer
 *   - `stale`: a cursor is refused, as after a change of the model
 *   - `hits`: function that changes the hits of an answer in place
 *   - `disconnect`: a search ends without an answer
 *   - `slow`: {ID: ms}, delays of products
 *   - `site`: folder of a different release of the page
 *   - `offline`: no request is answered
 *   - `damaged`: [pattern of paths, 'html' | 'truncated' | 'flipped' | 'missing'][]
 */
export async function startMock({ site, port = 0, bundle = null, query = null }) {
  let faults = {};
  const requests = [];
  const models = { tagger: readBundle(bundle), 'query-encoder': readBundle(query), segmenter: readBundle(null) };
  const server = createServer((request, response) => {
    const seen = { method: request.method, path: request.url, bytes: 0 };
    requests.push(seen);
    response.setHeader('content-security-policy', policyFor());
    response.setHeader('permissions-policy', PERMISSIONS);
    request.on('data', (part) => (seen.bytes += part.length));
    const offered = { encoder: query !== null, ...faults };
    answer(request, response, { site, faults: offered, models, seen }).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://localhost:${server.address().port}/`,
    requests,
    set: (next) => (faults = next),
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}

async function answer(request, response, { site, faults, models, seen }) {
  if (faults.offline) return request.socket.destroy();
  const path = new URL(request.url, 'http://localhost').pathname;
  const damage = faults.damaged?.find(([pattern]) => pattern.test(path))?.[1];
  if (damage) return sendDamaged(response, faults.site ?? site, path, damage, models);
  const fake = /^\/wasm\/(?:[0-9a-f]+\/)?selvedge-(webgpu|cpu)\.js$/.exec(path)?.[1];
  if (fake && faults.modules) return send(response, 200, 'text/javascript', fakeModule(faults.modules[fake] ?? 'works'));
  if (faults.modules && /^\/wasm\/.*_bg\.wasm$/.test(path)) return send(response, 200, 'application/wasm', EMPTY_MODULE);
  if (path === '/api/v1/tagger' && faults.tagger) return sendProblem(response, faults.tagger, 'internal');
  if (path === '/api/v1/query-encoder' && !faults.encoder) return send(response, 204);
  if (path === '/api/v1/segmenter' && !faults.segmenter) return send(response, 204);
  for (const [name, { manifest, weights }] of Object.entries(models)) {
    if (path === `/api/v1/${name}`) return sendJson(response, { ...manifest, ...(faults.precise && { precise: { labels: [] } }), ...groupsOf(faults) });
    if (path === `/api/v1/${name}/weights/${manifest.weights.sha256}`) return sendWeights(response, weights, faults);
  }
  if (path === '/share' && request.method === 'POST') {
    response.writeHead(303, { location: './?share=again', connection: 'close' });
    return response.end();
  }
  if (path === '/api/v1/samples') return sendJson(response, { samples: sampleList() });
  if (path === '/api/v1/search') return search(request, response, faults, seen);
  if (path.startsWith('/mock/')) {
    await faults.hold;
    await new Promise((done) => setTimeout(done, faults.compute ?? 0));
    return send(response, 204);
  }
  const product = /^\/api\/v1\/products\/(.+)$/.exec(path)?.[1];
  if (product) {
    const found = products.find(({ id }) => id === decodeURIComponent(product));
    await new Promise((done) => setTimeout(done, faults.slow?.[product] ?? 0));
    return found ? sendJson(response, found) : sendProblem(response, 404, 'not_found');
  }
  const drawn = drawing(/^\/images\/shop\/(P\d+)\.svg$/.exec(path)?.[1]);
  if (drawn) return send(response, 200, 'image/svg+xml', drawn);
  if (path.startsWith('/images/user/')) return send(response, 200, 'image/png', photo());
  if (path.startsWith('/api/')) return sendProblem(response, 404, 'not_found');
  return sendFile(response, faults.site ?? site, path);
}

const sampleList = () =>
  Array.from({ length: 6 }, (_, i) => ({ image: `/images/user/${i}.png`, product_id: products[i].id, alt: { en: `Person in a ${products[i].name.en}`, zh: `穿着${products[i].name.zh}的人` } }));

async function search(request, response, faults, seen) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = new Response(Buffer.concat(parts), { headers: { 'content-type': request.headers['content-type'] } });
  let form;
  if (request.headers['content-type'] === 'application/json') {
    const query = await body.json();
    form = new Map(Object.entries(query));
    if (query.facets) return countFacets(response, query, faults, seen);
    seen.query = query;
  } else {
    form = await body.formData();
    const image = form.get('image');
    seen.fields = { crop: form.get('crop'), category: form.get('category'), limit: form.get('limit'), type: image?.type, ...(form.get('options') && { options: JSON.parse(form.get('options')) }) };
    seen.size = image && jpegSize(new Uint8Array(await image.arrayBuffer()));
  }
  await new Promise((done) => setTimeout(done, faults.latency ?? 0));
  if (faults.disconnect) return response.destroy();
  if (faults.search === 429) response.setHeader('retry-after', '7');
  if (faults.search) return sendProblem(response, faults.search, faults.search === 429 ? 'overloaded' : 'internal');
  const from = Number(form.get('cursor') ?? 0);
  if (from > 0 && faults.stale) return sendProblem(response, 410, 'stale_cursor');
  const category = form.get('category');
  const examples = new Set([form.get('product'), ...(form.get('examples') ?? []).map(({ product }) => product)]);
  const gone = [...examples].some((id) => id && !products.some((product) => product.id === id));
  if (gone) return sendProblem(response, 404, 'unknown_product');
  const matching = faults.empty ? [] : products.filter((product) => !examples.has(product.id) && (!category || product.category === category));
  const to = from + Number(form.get('limit'));
  const hits = matching.slice(from, to).map((product, i) => ({ product_id: product.id, score: 0.94 - (from + i) * 0.043, product }));
  faults.hits?.(hits);
  const { floor = null, confidence } = faults;
  return sendJson(response, { model_id: 'mock@0', took_ms: 12.4, floor, confidence, hits, next: to < matching.length ? String(to) : undefined });
}

/** Answers a request for counts, which the page sends apart from a search. */
function countFacets(response, query, { facets = [], search: status }, seen) {
  seen.counts = query;
  if (status) return sendProblem(response, status, 'internal');
  return sendJson(response, { model_id: 'mock@0', took_ms: 1, floor: null, hits: [], facets });
}

/** Returns `WIDTHxHEIGHT` of a JPEG as Chromium writes it, without restart markers and thumbnails. */
function jpegSize(bytes) {
  for (let at = 2; bytes[at] === 0xff; at += 2 + bytes[at + 2] * 256 + bytes[at + 3]) {
    if (bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xc2) return `${bytes[at + 7] * 256 + bytes[at + 8]}x${bytes[at + 5] * 256 + bytes[at + 6]}`;
  }
  return null;
}

async function sendWeights(response, weights, { weights: fault }) {
  const body = Buffer.from(weights);
  if (fault === 'damaged') body[1000] ^= 1;
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length });
  for (let at = 0; at < body.length; at += 30_000) {
    response.write(body.subarray(at, at + 30_000));
    if (fault === 'slow') await new Promise((done) => setTimeout(done, 300));
  }
  response.end();
}

/** Sends a damaged copy of a file, with the headers of the correct one. */
function sendDamaged(response, site, path, damage, models) {
  if (damage === 'missing') return send(response, 404, 'text/plain', 'not found');
  if (damage === 'html') return send(response, 200, 'text/html', '<!doctype html><title>Please log in</title></html>', cacheControl(path));
  const manifest = models[path.replace('/api/v1/', '')]?.manifest;
  const content = manifest ? Buffer.from(JSON.stringify(manifest)) : Buffer.from(readFileSync(join(site, normalize(path))));
  if (damage === 'flipped') content[content.length >> 1] ^= 1;
  const sent = damage === 'truncated' ? content.subarray(0, content.length >> 1) : content;
  return send(response, 200, manifest ? 'application/json' : TYPES[extname(path)], sent, cacheControl(path));
}

/** Returns the Cache-Control header that the service sends: files with a hash in their URL are immutable. */
const cacheControl = (path) => (/^\/(assets|wasm)\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');

function sendFile(response, site, path) {
  const file = join(site, normalize(path === '/' ? '/index.html' : path));
  if (!file.startsWith(site) || !existsSync(file) || !statSync(file).isFile()) return send(response, 404, 'text/plain', 'not found');
  if (extname(file) === '.html') response.setHeader('content-security-policy', policyFor(readFileSync(file, 'utf8')));
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cache-control': cacheControl(path) });
  createReadStream(file).pipe(response);
}

const sendJson = (response, value) => send(response, 200, 'application/json', JSON.stringify(value));

const sendProblem = (response, status, code) =>
  send(response, status, 'application/problem+json', JSON.stringify({ type: `urn:selvedge:problem:${code}`, title: code, status, code, detail: `mock ${code}`, request_id: 'mock' }));

function send(response, status, type, body, caching = 'no-cache') {
  response.writeHead(status, { ...(type && { 'content-type': type }), 'cache-control': caching });
  response.end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [site, port = '8090'] = process.argv.slice(2);
  const mock = await startMock({ site, port: Number(port) });
  if (!existsSync(join(site, 'wasm'))) mock.set({ modules: {} });
  console.error(`the page with a mock shop: ${mock.url}`);
}
