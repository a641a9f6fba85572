// Client of the service worker.

import { BASE, MODULES } from './config.js';
import { el } from './dom.js';
import { showNotice } from './notices.js';

const { serviceWorker } = navigator;

/** Least time between two checks for a new release, ms. */
const UPDATE_INTERVAL = 3_600_000;
/** Key in localStorage: number of visits with a photo. */
const USES = 'selvedge.uses';
/** Visit with a photo from which the page asks the browser not to delete its files. */
const LASTING_USE = 2;

let wantedPaths = []; // paths below BASE that the service worker should cache
let registered = false;
let counted = false; // true if this visit is counted in USES

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
  requestPersistence();
}

/** Asks the browser to keep the page's storage, from the second visit with a photo on. */
function requestPersistence() {
  if (counted) return;
  counted = true;
  try {
    const uses = (Number(localStorage.getItem(USES)) || 0) + 1;
    localStorage.setItem(USES, String(uses));
    if (uses >= LASTING_USE) navigator.storage?.persist?.().catch(() => {});
  } catch {
    // storage is forbidden
  }
}

function register() {
  if (!serviceWorker || registered) return;
  registered = true;
  serviceWorker.addEventListener('controllerchange', sendWantedPaths); // a new worker does not know them
  serviceWorker.addEventListener('message', ({ data }) => onMessage(data));
  serviceWorker.register(new URL('sw.js', BASE)).then(watchUpdates, () => (registered = false));
  serviceWorker.ready.then(linkManifest);
}

function onMessage({ type, generation }) {
  const own = document.documentElement.dataset.generation;
  if (type === 'release' && own && generation !== own) showNotice('update.text', { key: 'update.reload', act: () => location.reload() });
  if (type === 'full') showNotice('storage.full');
}

/** Looks for a new release when the visitor returns to the tab. */
function watchUpdates(registration) {
  let checked = Date.now();
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || Date.now() - checked < UPDATE_INTERVAL) return;
    checked = Date.now();
    registration.update().catch(() => {});
  });
}

/** Makes the page installable. An installed page receives shared photos, so it needs the service worker. */
function linkManifest() {
  document.head.append(el('link', { rel: 'manifest', href: new URL('manifest.webmanifest', BASE).href }));
}

function sendWantedPaths() {
  if (wantedPaths.length > 0) serviceWorker?.controller?.postMessage({ type: 'keep', paths: wantedPaths });
}
