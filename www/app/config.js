// What the page may be told from outside: places, limits and the query string's switches.

/** The folder the page lives in; the shop may sit under any path. */
export const BASE = new URL('.', document.baseURI);

/** The service's address, with a slash at its end. */
export const API = new URL('api/v1/', BASE);

/** The folder of the two wasm modules; finish.mjs moves it and leaves the new place in the page. */
export const MODULES = new URL(document.documentElement.dataset.wasm ?? 'wasm/', BASE);

/** Products a search asks for. */
export const LIMIT = 10;

/** How long the service may take for an answer, ms. */
export const API_TIMEOUT = 30_000;

const BACKENDS = ['auto', 'webgpu', 'cpu'];

/** How long the GPU may take to be found and to answer for the first time, and for every later answer, ms. */
const GPU_TIMEOUT = 5_000;

/**
 * Reads `?backend=webgpu|cpu`, `?load-timeout=SECONDS` and `?tag-timeout=SECONDS`, which hold for both backends; anything odd falls
 * back to the default.
 * @param {string} query the page's query string
 */
export function options(query) {
  const params = new URLSearchParams(query);
  const backend = params.get('backend');
  return {
    backend: BACKENDS.includes(backend) ? backend : 'auto',
    loadTimeout: seconds(params.get('load-timeout'), 60_000),
    tagTimeout: seconds(params.get('tag-timeout'), 20_000),
    gpuLoadTimeout: seconds(params.get('load-timeout'), GPU_TIMEOUT),
    gpuTagTimeout: seconds(params.get('tag-timeout'), GPU_TIMEOUT),
  };
}

/** Seconds in words as ms, or `fallback` ms. */
function seconds(text, fallback) {
  const value = Number(text);
  return value > 0 && value <= 3600 ? 1000 * value : fallback;
}
