// A model's manifest and weights: fetched with progress, checked, kept. Runs in the worker.
//
// Invariant: the browser's storage is a help, never a condition. It may refuse, fail or keep silent; nothing waits for a
// write, and a read has its time.

const WEIGHTS = 'selvedge-weights';
const MANIFESTS = 'selvedge-manifests';

/** How long the storage may take to answer, ms. */
const STORAGE_TIMEOUT = 2_000;

/** Weights larger than this are not believed, bytes. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * A download that failed. `code` is `unreachable`, `unexpected` (the service refused), `absent` (it has none), `corrupt`, or
 * `renewed` (a file of this release that the shop has no more).
 */
export class DownloadError extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/**
 * A model's manifest as the service has it now, else as it was the last time; the text goes to the module as it is.
 * @param {URL} url
 * @returns {Promise<{text: string, sha256: string, bytes: number}>}
 */
export async function fetchManifest(url) {
  let failure;
  // A cut copy may sit in the browser's own cache, where an unchanged tag confirms it: the second try goes past it.
  for (const mode of ['no-cache', 'reload']) {
    try {
      const response = await get(url, { cache: mode });
      if (response.status === 204) {
        forget(MANIFESTS, url);
        throw new DownloadError('absent', `the shop has no ${url.pathname.split('/').pop()}`);
      }
      const manifest = parse(await response.text());
      keep(MANIFESTS, url, manifest.text, 'application/json');
      return manifest;
    } catch (error) {
      failure = error instanceof DownloadError ? error : new DownloadError('unreachable', String(error));
      if (failure.code !== 'corrupt') break;
    }
  }
  const refused = failure.code === 'absent' || (failure.code === 'unexpected' && failure.status < 500);
  const kept = refused ? null : await inTime(keptText(url));
  if (kept === null) throw failure;
  try {
    return parse(kept);
  } catch {
    throw failure;
  }
}

/**
 * The weights, from the storage or the service; only ever bytes with the right sha256.
 * @param {{url: URL, sha256: string, bytes: number, onProgress: (loaded: number, total: number) => void}} wanted
 */
export async function fetchWeights({ url, sha256, bytes, onProgress }) {
  const kept = await inTime(keptBytes(url));
  if (kept && (await matches(kept, sha256))) {
    onProgress(bytes, bytes);
    return kept;
  }
  // A damaged copy may sit in the browser's own cache: the second try goes past it.
  for (const mode of ['default', 'reload']) {
    const weights = await download(await get(url, { cache: mode }), bytes, onProgress);
    if (weights && (await matches(weights, sha256))) {
      keep(WEIGHTS, url, weights, 'application/octet-stream');
      return weights;
    }
  }
  throw new DownloadError('corrupt', 'the weights do not match the manifest');
}

/** A response with a good status, or a DownloadError. */
export async function get(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw new DownloadError('unreachable', String(cause));
  }
  if (!response.ok) throw new DownloadError('unexpected', `HTTP ${response.status} for ${new URL(url).pathname}`, response.status);
  return response;
}

function parse(text) {
  try {
    const { sha256, bytes } = JSON.parse(text).weights;
    if (/^[0-9a-f]{64}$/i.test(sha256) && Number.isSafeInteger(bytes) && bytes > 0 && bytes <= MAX_BYTES) return { text, sha256, bytes };
  } catch {
    // said below
  }
  throw new DownloadError('corrupt', 'the manifest is not one of a model');
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
    throw new DownloadError('unreachable', String(cause));
  }
}

async function matches(weights, sha256) {
  // Pages without https have no crypto.subtle; the module checks the sum again in any case.
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', weights));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === sha256.toLowerCase();
}

async function keptBytes(url) {
  const kept = await (await caches.open(WEIGHTS)).match(url);
  return kept ? new Uint8Array(await kept.arrayBuffer()) : null;
}

async function keptText(url) {
  const kept = await (await caches.open(MANIFESTS)).match(url);
  return kept ? kept.text() : null;
}

/** What the storage answers; null where it is forbidden, fails or keeps silent. */
async function inTime(answer) {
  const late = new Promise((done) => setTimeout(done, STORAGE_TIMEOUT, null));
  return Promise.race([answer.catch(() => null), late]);
}

/** Keeps this copy alone of its folder: older weights would only take the visitor's space. Returns at once. */
async function keep(name, url, content, type) {
  try {
    const cache = await caches.open(name);
    const folder = new URL('.', url).href;
    const stale = name === WEIGHTS ? (await cache.keys()).filter((request) => request.url.startsWith(folder) && request.url !== url.href) : [];
    await Promise.all(stale.map((request) => cache.delete(request)));
    await cache.put(url, new Response(content, { headers: { 'content-type': type } }));
  } catch {
    // a full disk costs a download next time, nothing else
  }
}

async function forget(name, url) {
  try {
    await (await caches.open(name)).delete(url);
  } catch {
    // it will be asked for again
  }
}
