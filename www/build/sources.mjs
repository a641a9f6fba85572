// Functions on the source files of the page and of the package.

import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/**
 * Removes the comments that fill whole lines from a script or a style sheet. Comments after code stay. A template literal must not
 * contain a line that begins like a comment.
 * @param {string} text
 */
export const withoutComments = (text) => text.replace(/^[ \t]*\/\*[^]*?\*\/[ \t]*\n/gm, '').replace(/^[ \t]*\/\/.*\n/gm, '');

/**
 * Lists a module and its direct and indirect imports, each after the modules that it imports. Cycles are allowed.
 * @param {(path: string) => string} read returns the text of a module
 * @param {string} path path of the module, with `/`
 * @returns {string[]}
 */
export function listImports(read, path, found = [], visited = new Set()) {
  if (visited.has(path)) return found;
  visited.add(path);
  for (const [, target] of read(path).matchAll(/^(?:import|export) [^;]*?from '(\.[^']+)';$/gm)) listImports(read, posix.join(posix.dirname(path), target), found, visited);
  found.push(path);
  return found;
}

export const readText = (path) => readFileSync(path, 'utf8');
