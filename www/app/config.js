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

/**
 * Reads `?backend=webgpu|cpu`, `?load-timeout=SECONDS` and `?tag-timeout=SECONDS`; anything odd falls back to the default.
 * @param {string} query the page's query string
 */
export function options(query) {
  const params = new URLSearchParams(query);
  const backend = params.get('backend');
  return {
    backend: BACKENDS.includes(backend) ? backend : 'auto',
    loadTimeout: seconds(params.get('load-timeout'), 60),
    tagTimeout: seconds(params.get('tag-timeout'), 20),
  };
}

function seconds(text, fallback) {
  const value = Number(text);
  return 1000 * (value > 0 && value <= 3600 ? value : fallback);
}
