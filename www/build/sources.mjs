// Functions on the source files of the page and of the package.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';

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

/**
 * Joins modules and what they import into files of the same name. A module that the first entry imports on demand becomes a file of its
 * own. Everything that the first entry imports at once becomes one file, which those use, too, except for modules of the other entries:
 * they run in workers, which cannot load the page's modules. Deletes the modules that were joined.
 */
export function joinModules(folder, [main, ...workers]) {
  const read = (path) => readText(join(folder, path));
  const ofWorkers = new Set(workers.flatMap((worker) => listImports(read, worker)));
  const always = listImports(read, main).filter((path) => path !== main && !ofWorkers.has(path));
  const onDemand = [...always, main].flatMap((path) => [...read(path).matchAll(/[ (]import\('\.\/([^']+)'\)(?!\.[A-Z])/g)].map(([, target]) => target));
  // esbuild makes one file of the modules that the same entries need. So the entries need all of them.
  writeFileSync(join(folder, 'shared.js'), always.map((path) => `import './${path}';\n`).join(''));
  for (const path of new Set([main, ...onDemand])) writeFileSync(join(folder, path), `import './shared.js';\n${read(path)}`);
  const joined = join(folder, '.joined');
  esbuild([...[main, ...workers].map((entry) => join(folder, entry)), '--bundle', '--splitting', '--format=esm', '--minify', `--outdir=${joined}`, '--chunk-names=[name]-[hash]', `--metafile=${join(folder, '.meta')}`]);
  const { inputs } = JSON.parse(readText(join(folder, '.meta')));
  for (const input of Object.keys(inputs)) rmSync(resolve(input));
  for (const file of readdirSync(joined)) renameSync(join(joined, file), join(folder, file));
  rmSync(joined, { recursive: true });
  rmSync(join(folder, '.meta'));
}

/** Replaces scripts and styles in a folder by shorter ones that do the same. Names that other files use stay. */
export function shorten(folder, files) {
  esbuild([...files, '--minify', `--outdir=${folder}`, `--outbase=${folder}`, '--allow-overwrite']);
}

/** Runs esbuild, which `./dev` installs. Its errors go to stderr. */
export function esbuild(args) {
  execFileSync('esbuild', [...args, '--charset=utf8', '--log-level=error', '--target=es2022'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
