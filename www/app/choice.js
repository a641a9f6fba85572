// Memory of the faster backend. The choice holds for a GPU adapter, a release of the wasm modules and a version of the browser. It stays
// on this device, in localStorage, which may be missing.

const STORED = 'selvedge.backend';

/** Returns the remembered choice as an object with one key, whose value is `cpu` or `webgpu`. Without a choice it is empty. */
export function readChoice() {
  try {
    return Object(JSON.parse(localStorage.getItem(STORED)));
  } catch {
    return {};
  }
}

/**
 * Remembers a choice instead of the one before.
 * @param {Record<string, 'cpu'|'webgpu'>} choice as `readChoice` returns it
 */
export function storeChoice(choice) {
  try {
    localStorage.setItem(STORED, JSON.stringify(choice));
  } catch {
    // the next visit compares again
  }
}
