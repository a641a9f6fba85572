// Modules that load on demand. Some browsers remember for as long as the page is open that a module did not load, so a further attempt
// has another URL. The import map of the built page has the paths of all modules.

import { BASE } from './config.js';

let attempts = 0;

/**
 * Loads a module.
 * @param {string} name file name without its extension
 * @param {() => Promise<object>} load imports the module by its file name, which the build replaces
 */
export const lazy = (name, load) =>
  load().catch((error) => {
    const { integrity } = JSON.parse(document.querySelector('[type=importmap]').textContent);
    const path = Object.keys(integrity).find((key) => key.includes(`/${name}-`));
    if (!path) throw error;
    return import(`${new URL(path, BASE)}?${++attempts}`);
  });
