// The service: search, products, samples. Every failure becomes a Problem with a stable code.

import { API, API_TIMEOUT, BASE, LIMIT } from './config.js';

/** What went wrong with a request; `code` is the service's, or `unreachable` / `timeout` / `unexpected`. */
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
 * The pieces closest to a photo.
 * @param {{image: Blob, crop: {x,y,width,height}|null, category: string|null}} query crop in pixels of the image
 */
export async function search({ image, crop, category }, signal) {
  const form = new FormData();
  form.append('image', image, 'photo.jpg');
  if (crop) form.append('crop', JSON.stringify(crop));
  if (category) form.append('category', category);
  form.append('limit', String(LIMIT));
  return ask(new URL('search', API), { method: 'POST', body: form }, signal);
}

/**
 * The pieces closest to an embedding; of the photo itself nothing is sent.
 * @param {{modelId: string, values: Float32Array, category: string|null}} query
 */
export async function searchByEmbedding({ modelId, values, category }, signal) {
  // Seven digits are what the numbers hold.
  const embedding = { model_id: modelId, values: Array.from(values, (value) => Number(value.toPrecision(7))) };
  const body = JSON.stringify({ embedding, category, limit: LIMIT });
  return ask(new URL('search', API), { method: 'POST', headers: { 'content-type': 'application/json' }, body }, signal);
}

/** One product by its id. */
export const product = (id, signal) => ask(new URL(`products/${encodeURIComponent(id)}`, API), {}, signal);

/** Photos the shop offers for a first try. */
export const samples = async (signal) => (await ask(new URL('samples', API), {}, signal)).samples;

/** A path the service names (`/images/…`), below the page's own folder. */
export const picture = (path) => new URL(path.replace(/^\//, ''), BASE).href;

/** The bytes of one of the shop's pictures. */
export async function download(path) {
  const response = await send(picture(path), {});
  return response.blob();
}

async function ask(url, init, signal) {
  const response = await send(url, init, signal);
  try {
    return await response.json();
  } catch {
    throw new Problem('unexpected', 'the answer is not JSON', { status: response.status });
  }
}

async function send(url, init, signal) {
  const limit = AbortSignal.timeout(API_TIMEOUT);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  let response;
  try {
    response = await fetch(url, { ...init, signal: either });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new Problem(limit.aborted ? 'timeout' : 'unreachable', String(cause));
  }
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response) {
  const retryAfter = Number(response.headers.get('retry-after')) || null;
  const more = { status: response.status, retryAfter };
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('json')) {
    const body = await response.json().catch(() => null);
    if (body?.code) return new Problem(body.code, body.detail ?? body.title ?? '', more);
  }
  return new Problem('unexpected', `HTTP ${response.status}`, more);
}
