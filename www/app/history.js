// History of this device: small copies of photos and of opened products, in IndexedDB. It is off until the visitor turns it on,
// and nothing of it is sent. The page works without it.

import { fetchProduct, imageUrl } from './api.js';
import { showNotice } from './notices.js';

const DATABASE = 'selvedge-history';
const STORE = 'entries';
/** Key in localStorage. The value is `on` if the visitor has turned the history on. */
const SETTING = 'selvedge.history';

/** Entries that are kept. */
export const MOST = 24;
/** Longest side of a small copy, pixels. */
export const SIDE = 256;

const reopened = new WeakSet(); // photos of the history that were opened again

/** True if the history is on. */
export function isOn() {
  try {
    return localStorage.getItem(SETTING) === 'on';
  } catch {
    return false;
  }
}

/** Turns the history on, or off. Turning it off erases it. Resolves to false if the browser's storage fails. */
export async function turn(on) {
  try {
    if (on) localStorage.setItem(SETTING, 'on');
    else localStorage.removeItem(SETTING);
    if (!on) await erase();
    return true;
  } catch {
    return false;
  }
}

/** Erases all entries. */
export const erase = () => request(indexedDB.deleteDatabase(DATABASE));

/**
 * Lists the entries, newest first.
 * @returns {Promise<{key: string, kind: 'photo'|'product', time: number, copy: Blob|null, id?: string, name?: object}[]>}
 */
export async function list() {
  const entries = await withStore('readonly', (store) => request(store.getAll()));
  return entries.sort((a, b) => b.time - a.time);
}

/**
 * Stores a small copy of a photo, if the history is on.
 * @param {import('./photo.js').Photo} photo
 * @param {Blob} file the file that was opened
 */
export async function rememberPhoto(photo, file) {
  if (!isOn() || reopened.has(file)) return;
  await remember(async () => ({ key: `photo ${Date.now()}`, kind: 'photo', copy: await smallCopy(photo.canvas) }));
}

/** Marks a photo of the history, so that it is not stored again. */
export const markReopened = (copy) => reopened.add(copy);

/** Stores every product that is opened while the history is on. */
export function watchProducts() {
  const follow = () => {
    const id = new URLSearchParams(location.hash.slice(1)).get('product');
    if (id && isOn()) rememberProduct(id).catch(() => {}); // the dialog reports a missing product
  };
  addEventListener('hashchange', follow);
  follow();
}

async function rememberProduct(id) {
  const { name, image } = await fetchProduct(id);
  await remember(async () => ({ key: `product ${id}`, kind: 'product', id, name, copy: image ? await copyOfImage(imageUrl(image)).catch(() => null) : null }));
}

async function copyOfImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return smallCopy(image);
}

/** Stores an entry and deletes the oldest ones. Shows a notice if the storage is full or forbidden. */
async function remember(make) {
  try {
    const entry = { ...(await make()), time: Date.now() };
    await withStore('readwrite', async (store) => {
      await request(store.put(entry));
      const entries = await request(store.getAll());
      for (const { key } of entries.sort((a, b) => b.time - a.time).slice(MOST)) store.delete(key);
    });
  } catch (error) {
    console.warn('selvedge: no history:', error.message);
    showNotice('history.failed');
  }
}

/** Returns a JPEG of at most SIDE pixels per side. */
function smallCopy(image) {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext('2d', { alpha: false });
  context.fillStyle = '#fff'; // some images of products are transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error('no copy'))), 'image/jpeg', 0.9));
}

/** Runs `work` in a transaction. Resolves after the transaction has been written. */
async function withStore(mode, work) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'key' });
  const database = await request(opening);
  database.onversionchange = () => database.close();
  try {
    const transaction = database.transaction(STORE, mode);
    const written = new Promise((done, fail) => {
      transaction.oncomplete = done;
      transaction.onerror = transaction.onabort = () => fail(transaction.error ?? new Error('aborted'));
    });
    written.catch(() => {}); // the request below may fail first
    const result = await work(transaction.objectStore(STORE));
    await written;
    return result;
  } finally {
    database.close();
  }
}

const request = (pending) =>
  new Promise((done, fail) => {
    pending.onsuccess = () => done(pending.result);
    pending.onerror = () => fail(pending.error);
  });
