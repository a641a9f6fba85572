// The page's side of the service worker: what it keeps, and for how long.

import { BASE, MODULES } from './config.js';

const { serviceWorker } = navigator;

let wanted = []; // paths below BASE that shall be kept
let registered = false;

/**
 * Tells the service worker, for as long as this tab lives, that its release is in use: a lock of the release's name.
 */
export function holdRelease() {
  const { generation } = document.documentElement.dataset;
  if (generation) navigator.locks?.request(`selvedge-page-${generation}`, { mode: 'shared' }, () => new Promise(() => {})).catch(() => {});
}

/** Registers the service worker when the browser has nothing better to do. */
export function registerWhenIdle() {
  if (globalThis.requestIdleCallback) requestIdleCallback(register, { timeout: 3_000 });
  else setTimeout(register, 1_000);
}

/** Has the service worker keep the page, and with it the module of a backend: what this device computes with. */
export function keepModule(backend) {
  const folder = MODULES.href.slice(BASE.href.length);
  wanted = [`${folder}selvedge-${backend}.js`, `${folder}selvedge-${backend}_bg.wasm`];
  tell();
  register();
}

function register() {
  if (!serviceWorker || registered) return;
  registered = true;
  serviceWorker.addEventListener('controllerchange', tell); // a new worker has not heard yet
  serviceWorker.register(new URL('sw.js', BASE)).catch(() => (registered = false));
}

function tell() {
  if (wanted.length > 0) serviceWorker?.controller?.postMessage({ type: 'keep', paths: wanted });
}
