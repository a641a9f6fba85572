// Large downloads on a connection that is metered: their size, and what the visitor has chosen. The choice stays on this device, in
// localStorage, which may be missing.

import { API } from './config.js';

const STORED = 'selvedge.metered';

/**
 * Resolves to the size of a model's weights if they are not on this device, bytes. 0 if they are, or if it is unknown. Null if the
 * shop has no such model.
 * @param {'query-encoder'|'segmenter'} model
 */
export async function missingBytes(model) {
  try {
    const response = await fetch(new URL(model, API), { cache: 'no-cache' });
    if (!response.ok || response.status === 204) return null;
    const { sha256, bytes } = (await response.json()).weights;
    return (await caches.match(new URL(`${model}/weights/${sha256}`, API))) ? 0 : bytes;
  } catch {
    return 0;
  }
}

/** Returns `download`, `send`, or null if the visitor has not chosen yet. */
export function meteredChoice() {
  try {
    const choice = localStorage.getItem(STORED);
    return ['download', 'send'].includes(choice) ? choice : null;
  } catch {
    return null;
  }
}

/** Remembers a choice. Null forgets it. */
export function setMeteredChoice(choice) {
  try {
    if (choice) localStorage.setItem(STORED, choice);
    else localStorage.removeItem(STORED);
  } catch {
    // the next search asks again
  }
}
