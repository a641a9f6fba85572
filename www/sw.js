// Service worker: the page starts without a network once it has been visited.
//
// Invariant: nothing stale. Files under assets/ and wasm/ carry a hash of their content in their path, so a kept copy is
// the right one; everything else is asked of the network first. Searches, pictures and weights are never kept here
// (the models' workers keep the weights themselves, under their sha256).

// finish.mjs fills these in.
const VERSION = '__VERSION__';
const SHELL = ['__SHELL__'];

const CACHE = `selvedge-shell-${VERSION}`;
const scope = new URL(self.registration.scope);
const tagger = new URL('api/v1/tagger', scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(SHELL.map((path) => new Request(new URL(path, scope), { cache: 'no-cache' }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith('selvedge-shell-') && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== scope.origin) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path.startsWith('assets/') || path.startsWith('wasm/')) event.respondWith(keptFirst(request));
  else if (request.mode === 'navigate') event.respondWith(networkFirst(request, scope.href));
  else if (url.href === tagger) event.respondWith(networkFirst(request, tagger));
});

async function keptFirst(request) {
  const kept = await caches.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await keep(request.url, response.clone());
  return response;
}

async function networkFirst(request, key) {
  try {
    const response = await fetch(request);
    if (response.ok) await keep(key, response.clone());
    return response;
  } catch (offline) {
    const kept = await caches.match(key);
    if (kept) return kept;
    throw offline;
  }
}

async function keep(key, response) {
  try {
    await (await caches.open(CACHE)).put(key, response);
  } catch {
    // a full disk: the network still answers
  }
}
