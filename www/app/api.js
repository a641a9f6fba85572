// Client of the service: search, products, samples. Every failure becomes a Problem with a stable code.

import { API, API_TIMEOUT, BASE, LIMIT } from './config.js';

/** Failure of a request. `code` comes from the service, or is `unreachable`, `offline`, `timeout` or `unexpected`. */
export class Problem extends Error {
  /** @param {string} code @param {string} detail @param {{status?: number, retryAfter?: number|null}} [more] */
  constructor(code, detail, { status = 0, retryAfter = null } = {}) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Options of a search: `category` or null, `filter` and `facets` as in the service's documentation of filters, and `limit`.
 * @typedef {{category: string|null, filter?: object, facets?: object[], limit?: number}} Options
 */

/**
 * Finds the products closest to a photo or to a crop of it.
 * @param {{image: Blob, crop: {x,y,width,height}|null}} photo `crop` in pixels of `image`
 * @param {Options} options
 */
export async function search({ image, crop }, { category, filter, limit = LIMIT }, signal) {
  const form = new FormData();
  form.append('image', image, 'photo');
  if (crop) form.append('crop', JSON.stringify(crop));
  if (category) form.append('category', category);
  if (filter) form.append('options', JSON.stringify({ filter }));
  form.append('limit', String(limit));
  return requireHits(await requestJson(new URL('search', API), { method: 'POST', body: form }, signal));
}

/**
 * Finds the products closest to an embedding. Nothing else of the photo is sent.
 * @param {{modelId: string, values: Float32Array}} embedding
 * @param {Options} options
 */
export const searchByEmbedding = (embedding, options, signal) => searchJson({ embedding: toWire(embedding), ...withLimit(options) }, signal);

/**
 * Finds the products closest to the weighted sum of examples. One product alone also leaves out its variants.
 * @param {({id: string, weight: number}|{embedding: {modelId: string, values: Float32Array}, weight: number})[]} examples
 * @param {Options} options
 */
export function searchByExamples(examples, options, signal) {
  const wire = examples.map(({ id, embedding, weight }) => (embedding ? { embedding: toWire(embedding), weight } : { product: id, weight }));
  const query = wire.length === 1 && wire[0].product ? { product: wire[0].product } : { examples: wire };
  return searchJson({ ...query, ...withLimit(options) }, signal);
}

/** Finds the products after those of an earlier answer. */
export const searchNext = (cursor, limit, signal) => searchJson({ cursor, limit }, signal);

const withLimit = (options) => ({ ...options, limit: options.limit ?? LIMIT });

/** Returns an embedding with its values as int8 in Base64. They take a tenth of the bytes of decimal numbers. */
function toWire({ modelId, values }) {
  const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), Number.MIN_VALUE);
  const bytes = new Uint8Array(Int8Array.from(values, (value) => Math.round((value / most) * 127)).buffer);
  return { model_id: modelId, int8: btoa(String.fromCharCode(...bytes)) };
}

async function searchJson(query, signal) {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(query) };
  return requireHits(await requestJson(new URL('search', API), init, signal));
}

/** Fetches one product by its id. */
export const fetchProduct = (id, signal) => requestJson(new URL(`products/${encodeURIComponent(id)}`, API), {}, signal);

/** Fetches the list of sample photos. */
export const fetchSamples = async (signal) => (await requestJson(new URL('samples', API), {}, signal)).samples;

/** Widths of a product's photo that the service offers, pixels. */
const IMAGE_WIDTHS = [320, 640, 1024];

/** Returns the `srcset` of a product's photo, or null if the service offers only one size of it. */
export function imageSet(path) {
  const [, stem] = /^(.+)-(?:320|640|1024)\.jpg$/.exec(path) ?? [];
  return stem ? IMAGE_WIDTHS.map((width) => `${imageUrl(`${stem}-${width}.jpg`)} ${width}w`).join(', ') : null;
}

/** Resolves an image path of the service (`/images/…`) against the page's own folder. */
export const imageUrl = (path) => new URL(String(path).replace(/^\//, ''), BASE).href;

/** Downloads an image of the service. */
export const downloadImage = (path) => send(imageUrl(path), {}, null, (response) => response.blob());

const requestJson = (url, init, signal) => send(url, init, signal, (response) => response.json());

function requireHits(answer) {
  if (!Array.isArray(answer?.hits)) throw new Problem('unexpected', 'the answer has no hits');
  return answer;
}

/** Sends a request and reads the answer. The time limit covers both. */
async function send(url, init, signal, read) {
  // AbortSignal.any would join the two signals, but browsers of 2023 do not have it.
  const controller = new AbortController();
  const abort = () => controller.abort();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, API_TIMEOUT);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    const response = await fetch(url, { ...init, signal: controller.signal });
    if (!response.ok) throw await readProblem(response);
    return await read(response);
  } catch (cause) {
    if (signal?.aborted || cause instanceof Problem) throw cause;
    if (cause instanceof SyntaxError) throw new Problem('unexpected', 'the answer is not JSON');
    const code = navigator.onLine === false ? 'offline' : 'unreachable';
    throw new Problem(timedOut ? 'timeout' : code, String(cause));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

async function readProblem(response) {
  const retryAfter = Number(response.headers.get('retry-after')) || null;
  const more = { status: response.status, retryAfter };
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('json')) {
    const body = await response.json().catch(() => null);
    if (body?.code) return new Problem(body.code, body.detail ?? body.title ?? '', more);
  }
  return new Problem('unexpected', '', more);
}
