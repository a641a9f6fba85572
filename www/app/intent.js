// Signs that the visitor is about to choose a photo. Large downloads start only after such a sign.

/** Events of the picker and the samples that show the intent to choose a photo. */
const INTENT_EVENTS = ['pointerenter', 'pointerdown', 'touchstart', 'focusin'];

/**
 * Calls `prepare` once, at the first sign that a photo is about to be chosen, dragged in or pasted.
 * @param {Element[]} elements elements where photos are chosen
 * @param {() => void} prepare
 */
export function onPhotoIntent(elements, prepare) {
  const controller = new AbortController();
  const begin = () => {
    controller.abort();
    prepare();
  };
  const { signal } = controller;
  for (const element of elements) for (const event of INTENT_EVENTS) element.addEventListener(event, begin, { signal, passive: true });
  for (const event of ['dragenter', 'paste']) document.addEventListener(event, begin, { signal });
}

/** True unless the browser reports data saving, a cellular connection or a slow one. */
export function isUnmetered() {
  const connection = navigator.connection;
  if (!connection) return true;
  return !connection.saveData && connection.type !== 'cellular' && (connection.effectiveType ?? '4g') === '4g';
}
