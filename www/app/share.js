// Photos that other apps share with the page. The service worker stores such a photo and redirects to `?share=photo`.
//
// Without a service worker the browser sends the photo to the server. The server discards it, and redirects to
// `?share=again`.

import { BASE } from './config.js';

/** Cache in which sw.js stores the shared photo. */
const SHARED = 'selvedge-shared';

/**
 * Opens the shared photo, if the page was opened for one.
 * @param {(photo: Blob) => void} onPhoto
 * @param {(code: 'again'|'failed') => void} onFailure `again`: the photo has to be shared once more
 */
export async function openShared(onPhoto, onFailure) {
  const address = new URL(location.href);
  const outcome = address.searchParams.get('share');
  if (outcome === null) return;
  address.searchParams.delete('share');
  history.replaceState(null, '', address); // a reload does not share again
  const photo = outcome === 'photo' && (await takePhoto().catch(() => null));
  if (photo) onPhoto(photo);
  else onFailure(outcome === 'again' ? 'again' : 'failed');
}

/** Returns the stored photo and deletes it from the storage. */
async function takePhoto() {
  const cache = await caches.open(SHARED);
  const stored = await cache.match(new URL('share', BASE));
  const photo = await stored?.blob();
  await caches.delete(SHARED);
  return photo;
}
