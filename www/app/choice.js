// Memory of the faster backend. The choice holds for a GPU adapter, a release of the wasm modules and a version of the browser. It stays
// on this device, in localStorage, which may be missing.

const STORED = 'selvedge.backend';

/** Number of choices that are kept. */
const MOST = 4;

/** Returns the remembered choices: key → `cpu` or `webgpu`. */
export function readChoices() {
  try {
    return Object(JSON.parse(localStorage.getItem(STORED)));
  } catch {
    return {};
  }
}

/**
 * Remembers the choice for a key, or forgets it.
 * @param {string} key
 * @param {'cpu'|'webgpu'|null} backend null forgets it
 */
export function storeChoice(key, backend) {
  const { [key]: before, ...others } = readChoices();
  if (!before && !backend) return;
  const kept = Object.entries(others).slice(1 - MOST);
  try {
    localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(backend ? [...kept, [key, backend]] : kept)));
  } catch {
    // the next visit measures again
  }
}
