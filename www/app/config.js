// Configuration of the page: URLs, limits and the options of the query string.

/** Folder of the page. The shop may be served under any path. */
export const BASE = new URL('.', document.baseURI);

/** URL of the service, with a trailing slash. */
export const API = new URL('api/v1/', BASE);

/** Folder of the two wasm modules. finish.mjs moves it and writes the new path to `data-wasm`. */
export const MODULES = new URL(document.documentElement.dataset.wasm ?? 'wasm/', BASE);

/** Number of products that a search asks for. */
export const LIMIT = 10;

/** Largest number of products that the service returns at once. */
export const MAX_LIMIT = 50;

/** Time limit of a request to the service, ms. */
export const API_TIMEOUT = 30_000;

const BACKENDS = ['auto', 'webgpu', 'cpu'];

/** Time limit of the GPU, ms: for detection and first answer together, and for every later answer. */
const GPU_TIMEOUT = 5_000;

/**
 * Parses `?backend=webgpu|cpu`, `?load-timeout=SECONDS` and `?tag-timeout=SECONDS`. The timeouts hold for both backends.
 * Invalid values give the defaults.
 * @param {string} query the page's query string
 */
export function parseOptions(query) {
  const params = new URLSearchParams(query);
  const backend = params.get('backend');
  return {
    backend: BACKENDS.includes(backend) ? backend : 'auto',
    loadTimeout: parseSeconds(params.get('load-timeout'), 60_000),
    tagTimeout: parseSeconds(params.get('tag-timeout'), 20_000),
    gpuLoadTimeout: parseSeconds(params.get('load-timeout'), GPU_TIMEOUT),
    gpuTagTimeout: parseSeconds(params.get('tag-timeout'), GPU_TIMEOUT),
  };
}

/** Converts a text of seconds to ms. Returns `fallback` (ms) if the text is missing or out of range. */
function parseSeconds(text, fallback) {
  const value = Number(text);
  return value > 0 && value <= 3600 ? 1000 * value : fallback;
}
