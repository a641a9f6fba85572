// Service worker: the page starts without a network once it has been visited, and a new release breaks no open tab.
//
// Invariant: only what is right is kept. finish.mjs lists the length and the SHA-256 of every file of this release
// (a generation); a copy that differs is fetched again past the browser's own cache, and never kept. Of other addresses
// nothing is kept: searches, pictures, manifests and weights are not this worker's matter (weights.js keeps the last two).
//
// Each generation has a cache of its own. One is deleted when no tab uses it any more: a tab holds a lock of its
// generation's name (offline.js).

// finish.mjs fills these in: `path: [bytes, sha256]`.
const GENERATION = '__GENERATION__';
const FILES = { /* __FILES__ */ };

const PREFIX = 'selvedge-page-';
const CACHE = `${PREFIX}${GENERATION}`;
/** Caches of releases that kept what they got, unchecked. */
const UNCHECKED = 'selvedge-shell-';
const ENTRANCE = './';
const scope = new URL(self.registration.scope);

/** How long the browser's storage may take to answer, ms. Without an answer the network is asked. */
const STORAGE_TIMEOUT = 2_000;

const TYPES = {
  css: /^text\/css\b/,
  html: /^text\/html\b/,
  js: /^(text|application)\/javascript\b/,
  json: /^application\/json\b/,
  svg: /^image\/svg\+xml\b/,
  wasm: /^application\/wasm\b/,
  webmanifest: /^application\/(manifest\+)?json\b/,
};

const address = (path) => new URL(path, scope).href;
const isModule = (path) => path.startsWith('wasm/');
const isHashed = (path) => path.startsWith('assets/') || isModule(path);

self.addEventListener('install', (event) => {
  // The modules are large: they are kept when they are in use, on the page's word.
  const shell = [ENTRANCE, ...Object.keys(FILES).filter((path) => !isModule(path))];
  event.waitUntil(
    Promise.all([...shell.map(ensure), ...Object.keys(FILES).filter(isModule).map(carryOver)]).then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

self.addEventListener('message', (event) => {
  if (event.data?.type !== 'keep') return;
  const wanted = event.data.paths.filter((path) => path in FILES);
  event.waitUntil(Promise.all(wanted.map((path) => ensure(path).catch(() => {}))));
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (request.mode === 'navigate') {
    if (path === '' || path === 'index.html') event.respondWith(entrance(event));
  } else if (isHashed(path)) {
    event.respondWith(hashed(event, path));
  } else if (path in FILES) {
    event.respondWith(networkFirst(event, path));
  }
});

/** The page as the network has it; without a network, the kept one. */
async function entrance(event) {
  event.waitUntil(tidy().catch(() => {}));
  return networkFirst(event, ENTRANCE);
}

async function networkFirst({ request }, path) {
  try {
    return await fetch(request);
  } catch (offline) {
    const kept = await find(path);
    if (kept) return kept;
    throw offline;
  }
}

/** A file whose address changes with its content: a kept copy is the right one, of whichever generation. */
async function hashed(event, path) {
  const { request } = event;
  // A page that did not start asks past every kept copy.
  const kept = request.cache === 'reload' ? undefined : await find(path);
  if (kept) return kept;
  if (!(path in FILES)) return fetch(request);
  const { response, good } = await download(path, request.cache === 'reload' ? ['reload'] : ['default', 'reload']);
  if (good) event.waitUntil(keep(path, response.clone()).catch(() => {})); // a full disk: the network still answers
  return response;
}

/** Keeps a file of this generation, if it isn't kept yet. */
async function ensure(path) {
  if (await match(CACHE, path)) return;
  if (await carryOver(path)) return;
  const { response, good } = await download(path, path === ENTRANCE ? ['no-cache', 'reload'] : ['default', 'reload']);
  if (!good) throw new TypeError(`${path} did not arrive as it was built`);
  await keep(path, response);
}

/** Takes an unchanged file over from another generation; false where none has it. */
async function carryOver(path) {
  const kept = isHashed(path) ? await find(path) : undefined;
  if (!kept || !(await isGood(path, kept.clone()))) return false;
  await keep(path, kept);
  return true;
}

/** Fetches a file, with each cache mode in turn until a copy is good; the last copy where none is. */
async function download(path, modes) {
  let response;
  for (const cache of modes) {
    response = await fetch(address(path), { cache, credentials: 'same-origin' });
    if (await isGood(path, response.clone()).catch(() => false)) return { response, good: true };
  }
  return { response, good: false };
}

async function isGood(path, response) {
  const ending = path === ENTRANCE ? 'html' : path.split('.').pop();
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || response.redirected || !TYPES[ending]?.test(type.toLowerCase())) return false;
  if (path === ENTRANCE) {
    // A proxy may have its own mark on the page; it must be this generation's page, and whole.
    const text = await response.text();
    return text.includes(`data-generation="${GENERATION}"`) && text.includes('</html>');
  }
  const [bytes, sha256] = FILES[path];
  const content = await response.arrayBuffer();
  if (content.byteLength !== bytes) return false;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}

async function keep(path, response) {
  await (await caches.open(CACHE)).put(address(path), response);
}

/** The kept copy of a file: this generation's, else another's. */
async function find(path) {
  const own = await match(CACHE, path);
  if (own || path === ENTRANCE) return own;
  for (const name of await inTime(caches.keys(), [])) {
    if (!name.startsWith(PREFIX) || name === CACHE) continue;
    const kept = await match(name, path);
    if (kept) return kept;
  }
  return undefined;
}

const match = (cacheName, path) => inTime(caches.match(address(path), { cacheName }), undefined);

/** What the storage answers, or `otherwise` where it fails or keeps silent. */
async function inTime(answer, otherwise) {
  const late = new Promise((done) => setTimeout(done, STORAGE_TIMEOUT, otherwise));
  return Promise.race([answer.catch(() => otherwise), late]);
}

/** Deletes the generations that no tab uses. */
async function tidy() {
  const names = await caches.keys();
  // A newer worker may be filling a cache of its own just now.
  const { installing, waiting } = self.registration;
  if (installing || waiting) return;
  const used = await inUse();
  const old = names.filter((name) => name.startsWith(UNCHECKED) || (name.startsWith(PREFIX) && name !== CACHE && !used(name)));
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** Tells whether a tab uses a generation; where the browser can't say, whether there are tabs at all. */
async function inUse() {
  const held = await navigator.locks?.query().then(({ held }) => new Set(held.map(({ name }) => name)));
  if (held) return (name) => held.has(name);
  const tabs = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return () => tabs.length > 0;
}
