// Service worker. After one visit the page starts without a network. Tabs of an older release keep working.
//
// **Invariant:** only correct copies of this site's files are cached. finish.mjs lists the length and the SHA-256 of every
// file of a release. A copy that differs is fetched again without the HTTP cache, and never cached. Searches, product
// images, manifests and weights are not cached here. weights.js caches manifests and weights.
//
// It also receives photos that other apps share with the page. They do not leave the device.
//
// The id of a release is its generation. Each generation has its own cache. A tab holds a lock with the name of its
// generation (offline.js). The cache of a generation is deleted when no tab uses it.

// finish.mjs fills in the constants. FILES has an entry `path: digest` per file, the first 10 bytes of its SHA-256. START lists the
// files that the page starts with.
const GENERATION = '__GENERATION__';
const START = [ /* __START__ */ ];
const FILES = { /* __FILES__ */ };

const PREFIX = 'selvedge-page-';
const CACHE = `${PREFIX}${GENERATION}`;
/** Prefix of the caches of old releases, which did not check files. */
const UNCHECKED_PREFIX = 'selvedge-shell-';
/** Cache of the last photo that another app shared. */
const SHARED = 'selvedge-shared';
/** Path of index.html. */
const PAGE = './';
/** Path to which other apps share photos, as in manifest.webmanifest. */
const SHARE = 'share';
const scope = new URL(self.registration.scope);

/** Time limit of a read from the storage, ms. After it the network is used. */
const STORAGE_TIMEOUT = 2_000;

/** Accepted media types per file name extension. */
const TYPES = {
  css: /^text\/css\b/,
  html: /^text\/html\b/,
  js: /^(text|application)\/javascript\b/,
  json: /^application\/json\b/,
  png: /^image\/png\b/,
  svg: /^image\/svg\+xml\b/,
  wasm: /^application\/wasm\b/,
  webmanifest: /^application\/(manifest\+)?json\b/,
};

const urlOf = (path) => new URL(path, scope).href;
const isModule = (path) => path.startsWith('wasm/');
const isIcon = (path) => path.startsWith('icons/'); // only the system reads them
const smallFiles = () => Object.keys(FILES).filter((path) => !isModule(path) && !isIcon(path));
const isHashed = (path) => path.startsWith('assets/') || isModule(path);

self.addEventListener('install', (event) => {
  event.waitUntil(install().then(() => self.skipWaiting()));
});

/**
 * Caches the files that the page starts with. All other files follow after the first photo (message `keep`), or at once if an older
 * release is cached.
 */
async function install() {
  const others = (await withTimeout(caches.keys(), [])).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(Object.keys(FILES).filter(isModule).map(copyFromOtherRelease));
  await Promise.all([PAGE, ...(others.length > 0 ? smallFiles() : START)].map(ensureCached));
}

self.addEventListener('activate', (event) => {
  event.waitUntil(deleteUnusedCaches().then(() => self.clients.claim()).then(() => tellPages({ type: 'release', generation: GENERATION })));
});

self.addEventListener('message', (event) => {
  if (event.data?.type !== 'keep') return;
  const wanted = event.data.paths.filter((path) => path in FILES);
  const keep = (paths) => Promise.all(paths.map((path) => ensureCached(path).catch(() => {})));
  event.waitUntil(keep(smallFiles()).then(() => keep(wanted)));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method === 'POST' && url.href === urlOf(SHARE)) return event.respondWith(receiveShared(request));
  if (request.method !== 'GET' || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (request.mode === 'navigate') {
    if (path === '' || path === 'index.html') event.respondWith(servePage(event));
  } else if (isHashed(path)) {
    event.respondWith(serveHashed(event, path));
  } else if (path in FILES) {
    event.respondWith(serveNetworkFirst(event, path));
  }
});

/** Serves the page from the network, or the cached page if the network fails. */
async function servePage(event) {
  event.waitUntil(deleteUnusedCaches().catch(() => {}));
  return serveNetworkFirst(event, PAGE);
}

async function serveNetworkFirst({ request }, path) {
  try {
    return await fetch(request);
  } catch (offline) {
    const cached = await findCached(path);
    if (cached) return cached;
    throw offline;
  }
}

/** Serves a file with a hash in its URL. A cached copy of any release is correct. */
async function serveHashed(event, path) {
  const { request } = event;
  // A page that did not start bypasses all caches (boot.js).
  const bypass = request.cache === 'reload';
  const cached = bypass ? undefined : await findCached(path);
  if (cached) return cached;
  if (!(path in FILES)) return fetch(request);
  const { response, correct } = await download(path, bypass ? ['reload'] : ['default', 'reload']);
  if (correct) event.waitUntil(putCached(path, response.clone()).catch(() => {})); // may fail if the disk is full
  return response;
}

/** Caches a file of this release, unless it is cached already. */
async function ensureCached(path) {
  if (await matchIn(CACHE, path)) return;
  if (await copyFromOtherRelease(path)) return;
  const { response, correct } = await download(path, path === PAGE ? ['no-cache', 'reload'] : ['default', 'reload']);
  if (!correct) throw new TypeError(`${path} did not arrive as it was built`);
  await putCached(path, response);
}

/** Copies an unchanged file from the cache of another release. Returns false if no cache has it. */
async function copyFromOtherRelease(path) {
  const cached = isHashed(path) ? await findCached(path) : undefined;
  if (!cached || !(await isCorrect(path, cached.clone()))) return false;
  await putCached(path, cached);
  return true;
}

/** Fetches a file with each cache mode until a copy is correct. Returns the last copy if none is. */
async function download(path, modes) {
  let response;
  for (const cache of modes) {
    response = await fetch(urlOf(path), { cache, credentials: 'same-origin' });
    if (await isCorrect(path, response.clone()).catch(() => false)) return { response, correct: true };
  }
  return { response, correct: false };
}

async function isCorrect(path, response) {
  const extension = path === PAGE ? 'html' : path.split('.').pop();
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || response.redirected || !TYPES[extension]?.test(type.toLowerCase())) return false;
  if (path === PAGE) {
    // A proxy may add to the page, so its hash is not checked. It must be complete and of this release.
    const text = await response.text();
    return text.includes(`data-generation="${GENERATION}"`) && text.includes('</html>');
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.arrayBuffer()), 0, 10);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === FILES[path];
}

async function putCached(path, response) {
  try {
    await (await caches.open(CACHE)).put(urlOf(path), response);
  } catch (error) {
    if (error.name === 'QuotaExceededError') await tellPages({ type: 'full' });
    throw error;
  }
}

/** Stores a photo that another app shares, and redirects to the page, which opens it (share.js). */
async function receiveShared(request) {
  let outcome = 'failed';
  try {
    const files = (await request.formData()).getAll('image').filter((part) => part instanceof File);
    const photo = files.find(({ type }) => type.startsWith('image/')) ?? files[0];
    if (photo) {
      await (await caches.open(SHARED)).put(urlOf(SHARE), new Response(photo));
      outcome = 'photo';
    }
  } catch {
    // the storage is full or forbidden; the page says that the photo has to be chosen
  }
  return Response.redirect(urlOf(`?share=${outcome}`), 303);
}

async function tellPages(message) {
  for (const page of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) page.postMessage(message);
}

/** Finds the cached copy of a file, in the cache of this release or else of another one. */
async function findCached(path) {
  const own = await matchIn(CACHE, path);
  if (own || path === PAGE) return own;
  for (const name of await withTimeout(caches.keys(), [])) {
    if (!name.startsWith(PREFIX) || name === CACHE) continue;
    const cached = await matchIn(name, path);
    if (cached) return cached;
  }
  return undefined;
}

const matchIn = (cacheName, path) => withTimeout(caches.match(urlOf(path), { cacheName }), undefined);

/** Resolves to `fallback` if a read from the storage fails or takes too long. */
async function withTimeout(read, fallback) {
  const timeout = new Promise((done) => setTimeout(done, STORAGE_TIMEOUT, fallback));
  return Promise.race([read.catch(() => fallback), timeout]);
}

/** Deletes the caches of releases that no tab uses. */
async function deleteUnusedCaches() {
  const names = await caches.keys();
  // A newer worker may be filling its own cache.
  const { installing, waiting } = self.registration;
  if (installing || waiting) return;
  const isUsed = await usedCaches();
  const unused = names.filter((name) => name.startsWith(UNCHECKED_PREFIX) || (name.startsWith(PREFIX) && name !== CACHE && !isUsed(name)));
  await Promise.all(unused.map((name) => caches.delete(name)));
}

/** Returns a function that is true for the cache of a release in use. Without locks it is true if any tab is open. */
async function usedCaches() {
  const held = await navigator.locks?.query().then(({ held }) => new Set(held.map(({ name }) => name)));
  if (held) return (name) => held.has(name);
  const tabs = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return () => tabs.length > 0;
}
