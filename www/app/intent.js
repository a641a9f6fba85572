// When to fetch what: nothing heavy before a photo is on its way.

/** Signs that somebody is about to choose a photo, by the elements that give them. */
const SIGNS = ['pointerenter', 'pointerdown', 'touchstart', 'focusin'];

/**
 * Calls `prepare` once, at the first sign that a photo is about to be chosen, dragged in or pasted.
 * @param {Element[]} places where photos are chosen
 * @param {() => void} prepare
 */
export function whenIntended(places, prepare) {
  const watched = new AbortController();
  const begin = () => {
    watched.abort();
    prepare();
  };
  const { signal } = watched;
  for (const place of places) for (const sign of SIGNS) place.addEventListener(sign, begin, { signal, passive: true });
  for (const sign of ['dragenter', 'paste']) document.addEventListener(sign, begin, { signal });
}

/** True where a download that nobody asked for costs the visitor nothing that the browser knows of. */
export function isUnmetered() {
  const connection = navigator.connection;
  if (!connection) return true;
  return !connection.saveData && connection.type !== 'cellular' && (connection.effectiveType ?? '4g') === '4g';
}
