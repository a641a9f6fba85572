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
 * The pieces closest to a photo, or to the part of one.
 * @param {{image: Blob, crop: {x,y,width,height}|null, category: string|null}} query crop in pixels of the image
 */
export async function search({ image, crop, category }, signal) {
  const form = new FormData();
  form.append('image', image, 'photo');
  if (crop) form.append('crop', JSON.stringify(crop));
  if (category) form.append('category', category);
  form.append('limit', String(LIMIT));
  return hits(await ask(new URL('search', API), { method: 'POST', body: form }, signal));
}

/**
 * The pieces closest to an embedding; of the photo itself nothing is sent.
 * @param {{modelId: string, values: Float32Array, category: string|null}} query
 */
export async function searchByEmbedding({ modelId, values, category }, signal) {
  // Seven digits are what the numbers hold.
  const embedding = { model_id: modelId, values: Array.from(values, (value) => Number(value.toPrecision(7))) };
  const body = JSON.stringify({ embedding, category, limit: LIMIT });
  return hits(await ask(new URL('search', API), { method: 'POST', headers: { 'content-type': 'application/json' }, body }, signal));
}

/** One product by its id. */
export const product = (id, signal) => ask(new URL(`products/${encodeURIComponent(id)}`, API), {}, signal);

/** Photos the shop offers for a first try. */
export const samples = async (signal) => (await ask(new URL('samples', API), {}, signal)).samples;

/** A path the service names (`/images/…`), below the page's own folder. */
export const picture = (path) => new URL(String(path).replace(/^\//, ''), BASE).href;

/** The bytes of one of the shop's pictures. */
export const download = (path) => send(picture(path), {}, null, (response) => response.blob());

const ask = (url, init, signal) => send(url, init, signal, (response) => response.json());

function hits(answer) {
  if (!Array.isArray(answer?.hits)) throw new Problem('unexpected', 'the answer has no hits');
  return answer;
}

/** Sends a request and reads the answer, all of it within the time limit. */
async function send(url, init, signal, read) {
  // AbortSignal.any would join the two, but browsers of 2023 lack it.
  const stop = new AbortController();
  const abort = () => stop.abort();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    abort();
  }, API_TIMEOUT);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    const response = await fetch(url, { ...init, signal: stop.signal });
    if (!response.ok) throw await problem(response);
    return await read(response);
  } catch (cause) {
    if (signal?.aborted || cause instanceof Problem) throw cause;
    if (cause instanceof SyntaxError) throw new Problem('unexpected', 'the answer is not JSON');
    throw new Problem(late ? 'timeout' : 'unreachable', String(cause));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

async function problem(response) {
  const retryAfter = Number(response.headers.get('retry-after')) || null;
  const more = { status: response.status, retryAfter };
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('json')) {
    const body = await response.json().catch(() => null);
    if (body?.code) return new Problem(body.code, body.detail ?? body.title ?? '', more);
  }
  return new Problem('unexpected', '', more);
}
