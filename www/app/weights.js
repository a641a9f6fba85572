// The model's manifest and weights: fetched with progress, checked, kept. Runs in the worker.

const CACHE = 'selvedge-weights';

/** A download that failed. `code` is `unreachable`, `unexpected` (the service refused), `absent` (it has none) or `corrupt`. */
export class WeightsError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** A model's manifest as the service has it now; the text goes to the module as it is. */
export async function fetchManifest(url) {
  const response = await get(url, { cache: 'no-cache' });
  if (response.status === 204) throw new WeightsError('absent', `the shop has no ${url.pathname.split('/').pop()}`);
  const text = await response.text();
  try {
    const { sha256, bytes } = JSON.parse(text).weights;
    return { text, sha256, bytes };
  } catch {
    throw new WeightsError('corrupt', 'the manifest is not one of a model');
  }
}

/**
 * The weights, from the cache or the service; only ever bytes with the right sha256.
 * @param {{url: URL, sha256: string, bytes: number, onProgress: (loaded: number, total: number) => void}} wanted
 */
export async function fetchWeights({ url, sha256, bytes, onProgress }) {
  const cache = await openCache();
  const kept = await cache?.match(url);
  if (kept) {
    const weights = new Uint8Array(await kept.arrayBuffer());
    if (await matches(weights, sha256)) {
      onProgress(bytes, bytes);
      return weights;
    }
    await cache.delete(url);
  }
  // A damaged copy may sit in the browser's own cache: the second try goes past it.
  for (const mode of ['default', 'reload']) {
    const weights = await download(await get(url, { cache: mode }), bytes, onProgress);
    if (weights && (await matches(weights, sha256))) {
      await keep(cache, url, weights);
      return weights;
    }
  }
  throw new WeightsError('corrupt', 'the weights do not match the manifest');
}

async function get(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw new WeightsError('unreachable', String(cause));
  }
  if (!response.ok) throw new WeightsError('unexpected', `HTTP ${response.status} for ${new URL(url).pathname}`);
  return response;
}

/** Reads at most `bytes` bytes; null where the body is longer or shorter. */
async function download(response, bytes, onProgress) {
  const weights = new Uint8Array(bytes);
  const reader = response.body.getReader();
  let loaded = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return loaded === bytes ? weights : null;
      if (loaded + value.length > bytes) {
        await reader.cancel();
        return null;
      }
      weights.set(value, loaded);
      loaded += value.length;
      onProgress(loaded, bytes);
    }
  } catch (cause) {
    throw new WeightsError('unreachable', String(cause));
  }
}

async function matches(weights, sha256) {
  // Pages without https have no crypto.subtle; the module checks the sum again in any case.
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', weights));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === sha256.toLowerCase();
}

async function openCache() {
  try {
    return (await globalThis.caches?.open(CACHE)) ?? null;
  } catch {
    return null;
  }
}

/** Keeps these weights alone of their model: older ones would only take the visitor's space. */
async function keep(cache, url, weights) {
  if (!cache) return;
  try {
    const folder = new URL('.', url).href;
    for (const request of await cache.keys()) if (request.url.startsWith(folder) && request.url !== url.href) await cache.delete(request);
    await cache.put(url, new Response(weights, { headers: { 'content-type': 'application/octet-stream' } }));
  } catch {
    // a full disk costs a download next time, nothing else
  }
}
