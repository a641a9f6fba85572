// Client of the service worker.

import { BASE, MODULES } from './config.js';

const { serviceWorker } = navigator;

let wantedPaths = []; // paths below BASE that the service worker should cache
let registered = false;

/** Holds a lock with the name of the page's release until the tab closes. The service worker keeps releases in use. */
export function lockRelease() {
  const { generation } = document.documentElement.dataset;
  if (generation) navigator.locks?.request(`selvedge-page-${generation}`, { mode: 'shared' }, () => new Promise(() => {})).catch(() => {});
}

/** Registers the service worker when the browser is idle. */
export function registerWhenIdle() {
  if (globalThis.requestIdleCallback) requestIdleCallback(register, { timeout: 3_000 });
  else setTimeout(register, 1_000);
}

/** Makes the service worker cache the page and the wasm module of a backend. */
export function cacheModule(backend) {
  const folder = MODULES.href.slice(BASE.href.length);
  wantedPaths = [`${folder}selvedge-${backend}.js`, `${folder}selvedge-${backend}_bg.wasm`];
  sendWantedPaths();
  register();
}

function register() {
  if (!serviceWorker || registered) return;
  registered = true;
  serviceWorker.addEventListener('controllerchange', sendWantedPaths); // a new worker does not know them
  serviceWorker.register(new URL('sw.js', BASE)).catch(() => (registered = false));
}

function sendWantedPaths() {
  if (wantedPaths.length > 0) serviceWorker?.controller?.postMessage({ type: 'keep', paths: wantedPaths });
}
