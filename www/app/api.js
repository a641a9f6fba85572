// Client of the service: search, products, samples. Every failure becomes a Problem with a stable code.

import { API, API_TIMEOUT, BASE, LIMIT } from './config.js';

/** Failure of a request. `code` comes from the service, or is `unreachable`, `timeout` or `unexpected`. */
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
 * Finds the products closest to a photo or to a crop of it.
 * @param {{image: Blob, crop: {x,y,width,height}|null, category: string|null}} query `crop` in pixels of `image`
 */
export async function search({ image, crop, category }, signal) {
  const form = new FormData();
  form.append('image', image, 'photo');
  if (crop) form.append('crop', JSON.stringify(crop));
  if (category) form.append('category', category);
  form.append('limit', String(LIMIT));
  return requireHits(await requestJson(new URL('search', API), { method: 'POST', body: form }, signal));
}

/**
 * Finds the products closest to an embedding. Nothing else of the photo is sent.
 * @param {{modelId: string, values: Float32Array, category: string|null}} query
 */
export async function searchByEmbedding({ modelId, values, category }, signal) {
  // An f32 has seven significant digits.
  const embedding = { model_id: modelId, values: Array.from(values, (value) => Number(value.toPrecision(7))) };
  const body = JSON.stringify({ embedding, category, limit: LIMIT });
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  return requireHits(await requestJson(new URL('search', API), init, signal));
}

/** Fetches one product by its id. */
export const fetchProduct = (id, signal) => requestJson(new URL(`products/${encodeURIComponent(id)}`, API), {}, signal);

/** Fetches the list of sample photos. */
export const fetchSamples = async (signal) => (await requestJson(new URL('samples', API), {}, signal)).samples;

/** Resolves to true if the service offers a model for browsers, or if it cannot be asked: a copy of the model may be cached. */
export async function offersModel(name) {
  try {
    const { ok, status } = await fetch(new URL(name, API), { cache: 'no-cache' });
    return ok && status !== 204;
  } catch {
    return true;
  }
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
    throw new Problem(timedOut ? 'timeout' : 'unreachable', String(cause));
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
