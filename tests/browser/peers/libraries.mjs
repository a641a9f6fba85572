// The compared libraries, their files and the pages that use them.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { TAGGER } from '../lib/places.mjs';
import { startHost } from './host.mjs';

const HERE = import.meta.dirname;
const MODULES = join(HERE, 'node_modules');
const TRANSFORMERS = join(MODULES, '@huggingface/transformers');

const ORT = '/modules/onnxruntime-web/dist';
const IMPORTS = {
  '@selvedge/tagger': '/modules/@selvedge/tagger/index.js',
  '@selvedge/tagger/wasm': '/modules/@selvedge/tagger/wasm/selvedge-cpu.js',
  '@huggingface/transformers': '/modules/@huggingface/transformers/dist/transformers.min.js',
  '@litertjs/core': '/modules/@litertjs/core/dist/index.js',
  '@litertjs/wasm-utils': '/modules/@litertjs/wasm-utils/dist/index.js',
};

/** Name → script in `pages/` that opens the library. */
export const LIBRARIES = { '@selvedge/tagger': 'selvedge', 'onnxruntime-web': 'onnxruntime', 'transformers.js': 'transformers', 'LiteRT.js': 'litert' };

/** Size of the tagger's input. */
export const { width, height } = manifest().input;

/** Manifest of the tagger. */
export function manifest() {
  return JSON.parse(readFileSync(join(TAGGER, 'bundle.json'), 'utf8'));
}

/** Precision of the weights in the bundle, as the names of ONNX files state it. */
const STORED = { f16: 'fp16', int8: 'int8' }[manifest().weights.dtype];

/** Returns the installed version of each library. */
export function versions() {
  const packages = { '@selvedge/tagger': '@selvedge/tagger', 'onnxruntime-web': 'onnxruntime-web', 'transformers.js': '@huggingface/transformers', 'LiteRT.js': '@litertjs/core' };
  return Object.fromEntries(Object.entries(packages).map(([name, path]) => [name, JSON.parse(readFileSync(join(MODULES, path, 'package.json'), 'utf8')).version]));
}

/** Returns the first file that is missing, or null. */
export function missingFile(models) {
  const files = [join(MODULES, 'onnxruntime-web'), TRANSFORMERS, join(MODULES, '@litertjs/core'), join(MODULES, '@selvedge/tagger'), join(models, 'model.tflite'), join(models, `model_${STORED}.onnx`)];
  return files.find((file) => !existsSync(file)) ?? null;
}

/** Path of the page of a library. */
export const pagePath = (name, backend) => `/${LIBRARIES[name]}/${backend}`;

/**
 * Starts a server with one page per library and backend, and the page `/network`.
 * @param {string} models folder of the exported models
 * @param {{gzip?: boolean, link?: object|null}} [network] as in `startHost`
 */
export function startPages(models, network) {
  const how = { size: { width, height }, stored: STORED };
  const pages = { '/network': html('ort.wasm.bundle.min.mjs', `import { compare } from '/pages/network.js'; window.compare = (rounds) => compare({ ...${JSON.stringify(how)}, ...rounds });`) };
  for (const [name, script] of Object.entries(LIBRARIES)) {
    for (const backend of ['cpu', 'webgpu']) {
      const options = JSON.stringify({ backend, ...how });
      pages[pagePath(name, backend)] = html(backend === 'webgpu' ? 'ort.webgpu.bundle.min.mjs' : 'ort.wasm.bundle.min.mjs', `import { open } from '/pages/${script}.js'; import { start } from '/pages/first.js'; start(open, ${options});`);
    }
  }
  const nested = join(TRANSFORMERS, 'node_modules/onnxruntime-web/dist'); // another version than the one compared
  const folders = {
    '/pages/': join(HERE, 'pages'),
    '/modules/transformers-onnxruntime/': existsSync(nested) ? nested : join(MODULES, 'onnxruntime-web/dist'),
    '/modules/': MODULES,
    '/models/tagger/': TAGGER,
    '/models/peers/onnx/': models, // transformers.js looks for the model there
    '/models/peers/': models,
  };
  return startHost({ folders, pages, ...network });
}

function html(ort, script) {
  const imports = { ...IMPORTS, 'onnxruntime-web': `${ORT}/${ort}` };
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module">${script}</script></html>`;
}
