// Manifest and weights of a model: download with progress, check, cache. Runs in the worker.
//
// **Invariant:** the page works without the browser's storage, which may be forbidden, fail or not respond. No code waits for
// a write, and reads have a time limit.

const WEIGHTS = 'selvedge-weights';
const MANIFESTS = 'selvedge-manifests';

/** Time limit of a read from the storage, ms. */
const STORAGE_TIMEOUT = 2_000;

/** Largest size of weights that a manifest may state, bytes. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Failure of a download. `code` is `unreachable`, `unexpected` (an error status), `absent` (the service has no such model),
 * `corrupt`, or `renewed` (the shop no longer has this file of an older release).
 */
export class DownloadError extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/**
 * Fetches the manifest of a model. If the service is not available, returns the last cached one.
 * @param {URL} url
 * @param {AbortSignal} signal
 * @returns {Promise<{text: string, sha256: string, bytes: number}>}
 */
export async function fetchManifest(url, signal) {
  let failure;
  // The HTTP cache may hold a truncated copy that revalidation confirms. The second attempt bypasses it.
  for (const mode of ['no-cache', 'reload']) {
    try {
      const response = await fetchOk(url, { cache: mode, signal });
      if (response.status === 204) {
        deleteCached(MANIFESTS, url);
        throw new DownloadError('absent', `the shop has no ${url.pathname.split('/').pop()}`);
      }
      const manifest = parseManifest(await response.text());
      cacheContent(MANIFESTS, url, manifest.text, 'application/json');
      return manifest;
    } catch (error) {
      signal.throwIfAborted();
      failure = error instanceof DownloadError ? error : new DownloadError('unreachable', String(error));
      if (failure.code !== 'corrupt') break;
    }
  }
  const refused = failure.code === 'absent' || (failure.code === 'unexpected' && failure.status < 500);
  const cached = refused ? null : await withTimeout(cachedText(url));
  if (cached === null) throw failure;
  try {
    return parseManifest(cached);
  } catch {
    throw failure;
  }
}

/**
 * Returns the weights from the cache or the service. Their SHA-256 is checked.
 * @param {{url: URL, sha256: string, bytes: number, signal: AbortSignal, onProgress: (loaded: number, total: number) => void, onFull: () => void}} wanted
 *   `onFull` is called if the browser's storage has no room for the weights
 */
export async function fetchWeights({ url, sha256, bytes, signal, onProgress, onFull }) {
  const cached = await withTimeout(cachedBytes(url));
  if (cached && (await hasSha256(cached, sha256))) {
    onProgress(bytes, bytes);
    return cached;
  }
  // The HTTP cache may hold a damaged copy. The second attempt bypasses it.
  for (const mode of ['default', 'reload']) {
    const weights = await download(await fetchOk(url, { cache: mode, signal }), bytes, onProgress);
    if (weights && (await hasSha256(weights, sha256))) {
      cacheContent(WEIGHTS, url, weights, 'application/octet-stream', onFull);
      return weights;
    }
  }
  throw new DownloadError('corrupt', 'the weights do not match the manifest');
}

/** Fetches a URL. Throws a DownloadError if the request fails or has an error status, and the signal's reason if it is aborted. */
export async function fetchOk(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    init?.signal?.throwIfAborted();
    throw new DownloadError('unreachable', String(cause));
  }
  if (!response.ok) throw new DownloadError('unexpected', `HTTP ${response.status} for ${new URL(url).pathname}`, response.status);
  return response;
}

function parseManifest(text) {
  try {
    const { sha256, bytes } = JSON.parse(text).weights;
    if (/^[0-9a-f]{64}$/i.test(sha256) && Number.isSafeInteger(bytes) && bytes > 0 && bytes <= MAX_BYTES) return { text, sha256, bytes };
  } catch {
    // reported below
  }
  throw new DownloadError('corrupt', 'the file is not the manifest of a model');
}

/** Reads a body of exactly `bytes` bytes. Returns null if it is longer or shorter. */
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
    throw new DownloadError('unreachable', String(cause));
  }
}

async function hasSha256(content, sha256) {
  // Pages without HTTPS have no crypto.subtle. The wasm module checks the sum again in any case.
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === sha256.toLowerCase();
}

async function cachedBytes(url) {
  const cached = await (await caches.open(WEIGHTS)).match(url);
  return cached ? new Uint8Array(await cached.arrayBuffer()) : null;
}

async function cachedText(url) {
  const cached = await (await caches.open(MANIFESTS)).match(url);
  return cached ? cached.text() : null;
}

/** Resolves to null if a read from the storage is forbidden, fails or takes too long. */
async function withTimeout(read) {
  const timeout = new Promise((done) => setTimeout(done, STORAGE_TIMEOUT, null));
  return Promise.race([read.catch(() => null), timeout]);
}

/**
 * Caches a file. If its URL ends with its SHA-256, deletes older weights of its folder first, to save space. Callers do not
 * wait for it.
 */
async function cacheContent(name, url, content, type, onFull = () => {}) {
  try {
    const cache = await caches.open(name);
    const folder = new URL('.', url).href;
    const named = name === WEIGHTS && /\/[0-9a-f]{64}$/i.test(url.pathname);
    const stale = named ? (await cache.keys()).filter((request) => request.url.startsWith(folder) && request.url !== url.href) : [];
    await Promise.all(stale.map((request) => cache.delete(request)));
    await cache.put(url, new Response(content, { headers: { 'content-type': type } }));
  } catch ({ name: reason }) {
    // without the cached copy the next visit downloads the file again
    if (reason === 'QuotaExceededError') onFull();
  }
}

async function deleteCached(name, url) {
  try {
    await (await caches.open(name)).delete(url);
  } catch {
    // the next visit asks the service again
  }
}
