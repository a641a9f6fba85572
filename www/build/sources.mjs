// Functions on the source files of the page and of the package.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/**
 * Lists a module and its direct and indirect imports, each after the modules that it imports. Cycles are allowed. Modules that are
 * imported on demand are left out.
 * @param {(path: string) => string} read returns the text of a module
 * @param {string} path path of the module, with `/`
 * @returns {string[]}
 */
export function listImports(read, path, found = [], visited = new Set()) {
  if (visited.has(path)) return found;
  visited.add(path);
  for (const [, target] of read(path).matchAll(/(?:^|;|\})\s*(?:import|export)\b[^;'"()]*?["'](\.[^'"]+)["']/gm)) listImports(read, posix.join(posix.dirname(path), target), found, visited);
  found.push(path);
  return found;
}

export const readText = (path) => readFileSync(path, 'utf8');

/** Replaces scripts and styles in a folder by shorter ones that do the same. Names that other files use stay. */
export function shorten(folder, files) {
  esbuild([...files, '--minify', `--outdir=${folder}`, `--outbase=${folder}`, '--allow-overwrite']);
}

/** Runs esbuild, which `./dev` installs. Its errors go to stderr. */
export function esbuild(args) {
  execFileSync('esbuild', [...args, '--charset=utf8', '--log-level=error', '--target=es2022'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
