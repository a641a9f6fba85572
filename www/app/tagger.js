// The class StyleTagger: tags, embeds and finds pieces in photos on this device. The page and the package @selvedge/tagger use it.

import { joinSignals, orAbort, throwIfAborted } from './abort.js';
import { acquireEngine } from './engine.js';
import { TaggerError } from './errors.js';
import { mayLoad, openImage } from './source.js';

/** Path of each model below the API of a Selvedge service. */
const SERVICE_PATHS = { tagger: 'tagger', encoder: 'query-encoder', segmenter: 'segmenter' };

const DEFAULTS = { backend: 'auto', rememberBackend: true, loadTimeout: 60_000, tagTimeout: 20_000, gpuLoadTimeout: 5_000, gpuTagTimeout: 5_000, idleTimeout: 60_000 };

/**
 * Style tagger. Instances with equal options for module, worker, backend and times share one worker. Dispatches the CustomEvents
 * `progress` ({model, loaded, total} in bytes) and `fallback` ({code, message}): the GPU failed, and the CPU is used. The Event
 * `storagefull`: the browser's storage has no room for weights.
 * @see www/package/index.d.ts describes options, methods and answers
 */
export class StyleTagger extends EventTarget {
  #options;
  #models = null; // name → ModelSource, of the models that the options name
  #engine = null;
  #lifetime = new AbortController();
  #onProgress = ({ detail: { key, loaded, total } }) => {
    const name = Object.keys(this.#models).find((model) => this.#models[model].key === key);
    if (name) this.dispatchEvent(new CustomEvent('progress', { detail: { model: name, loaded, total } }));
  };
  #onFallback = ({ detail }) => this.dispatchEvent(new CustomEvent('fallback', { detail }));
  #onStorageFull = () => this.dispatchEvent(new Event('storagefull'));

  constructor(options = {}) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    if (!['auto', 'webgpu', 'cpu'].includes(this.#options.backend)) throw new TaggerError('backend_unknown', 'backend is auto, webgpu or cpu');
    if (options.signal?.aborted) this.dispose();
    else options.signal?.addEventListener('abort', () => this.dispose(), { once: true, signal: this.#lifetime.signal });
  }

  /** Backend in use: `webgpu` or `cpu`, or `auto` until the first model is loaded. */
  get backend() {
    return this.#engine?.backend ?? this.#options.backend;
  }

  /** Loads a model before its first use. Resolves to `{backend, modelId}`. */
  load(model = 'tagger', { signal } = {}) {
    return this.#work(signal, (joined) => {
      const { engine, source } = this.#open(model);
      return engine.load(source, joined);
    });
  }

  /** Tags an image or a box on it. */
  tag(image, { box = null, signal } = {}) {
    return this.#call('tagger', 'tag', image, { box, signal });
  }

  /** Embeds an image or a box on it. */
  async embed(image, { box = null, signal } = {}) {
    return this.#call('encoder', 'embed', image, { box, signal });
  }

  /** Finds the pieces of the outfit in an image, largest first. */
  async pieces(image, { signal } = {}) {
    return this.#call('segmenter', 'find', image, { signal }, ({ pieces, person, ...rest }, opened) => ({
      ...rest,
      pieces: pieces.map((piece) => ({ ...piece, box: opened.fromFull(piece.box) })),
      person: person && opened.fromFull(person),
    }));
  }

  /** Proposes a box around the subject of an image. */
  async propose(image, { signal } = {}) {
    return this.#call('tagger', 'propose', image, { signal }, ({ box, ...rest }, opened) => ({ ...rest, box: box && opened.fromFull(box) }));
  }

  /** Aborts all calls and frees the models, unless another instance uses them. Later calls fail with `disposed`. */
  dispose() {
    if (this.#lifetime.signal.aborted) return;
    this.#lifetime.abort(new TaggerError('disposed', 'the tagger was disposed of'));
    if (!this.#engine) return;
    this.#engine.removeEventListener('progress', this.#onProgress);
    this.#engine.removeEventListener('fallback', this.#onFallback);
    this.#engine.removeEventListener('storagefull', this.#onStorageFull);
    this.#engine.release(Object.values(this.#models));
    this.#engine = null;
  }

  #call(model, type, image, { box = null, signal }, convert = (answer) => answer) {
    return this.#work(signal, async (joined) => {
      const { engine, source } = this.#open(model);
      const opening = openImage(image, joined);
      try {
        // An image element that loads does not keep its turn from other calls.
        if (mayLoad(image)) await Promise.all([engine.load(source, joined), opening]);
        const [answer, opened] = await Promise.all([engine.call(source, type, opening, box, joined), opening]);
        return convert(answer, opened);
      } finally {
        opening.then((opened) => opened.close(), () => {});
      }
    });
  }

  /** Runs work that ends with the caller's signal or with this instance. */
  async #work(signal, run) {
    const { signal: joined, release } = joinSignals(this.#lifetime.signal, signal);
    try {
      throwIfAborted(joined);
      return await orAbort(run(joined), joined);
    } finally {
      release();
    }
  }

  /** Returns the engine and the source of a model. Nothing is started before the first use. */
  #open(model) {
    if (!this.#engine) {
      this.#models = modelSources(this.#options);
      this.#engine = acquireEngine(engineOptions(this.#options), Object.values(this.#models));
      this.#engine.addEventListener('progress', this.#onProgress);
      this.#engine.addEventListener('fallback', this.#onFallback);
      this.#engine.addEventListener('storagefull', this.#onStorageFull);
    }
    const source = this.#models[model];
    if (!source) throw new TaggerError('absent', `the options name no ${model}`);
    return { engine: this.#engine, source };
  }
}

/** Returns the sources of the models that the options name. */
function modelSources({ baseUrl, manifestUrl, weightsUrl, encoder, segmenter }) {
  const given = { tagger: manifestUrl && { manifestUrl, weightsUrl }, encoder, segmenter };
  const sources = {};
  for (const [name, path] of Object.entries(SERVICE_PATHS)) {
    const service = baseUrl && { manifestUrl: `${folder(baseUrl)}${path}`, weightsUrl: `${folder(baseUrl)}${path}/weights/{sha256}` };
    const urls = given[name] ?? service;
    if (!urls) continue;
    const [manifest, weights = null] = [urls.manifestUrl, urls.weightsUrl].map((url) => url && absolute(url));
    sources[name] = { key: JSON.stringify([name, manifest, weights]), kind: name, manifestUrl: manifest, weightsUrl: weights };
  }
  return sources;
}

function engineOptions({ workerUrl, moduleUrl, backend, rememberBackend, loadTimeout, tagTimeout, gpuLoadTimeout, gpuTagTimeout, idleTimeout }) {
  const files = (name) => ({ script: `${folder(moduleUrl)}${name}.js`, binary: `${folder(moduleUrl)}${name}_bg.wasm` });
  return {
    workerUrl: workerUrl ? absolute(workerUrl) : defaultWorker(),
    modules: moduleUrl ? { cpu: files('selvedge-cpu'), webgpu: files('selvedge-webgpu') } : defaultModules(),
    backend, rememberBackend, loadTimeout, tagTimeout, gpuLoadTimeout, gpuTagTimeout, idleTimeout,
  };
}

// Bundlers recognise the following expressions and copy the files.
const defaultWorker = () => new URL('./worker.js', import.meta.url).href;
const defaultModules = () => ({
  cpu: { script: new URL('./wasm/selvedge-cpu.js', import.meta.url).href, binary: new URL('./wasm/selvedge-cpu_bg.wasm', import.meta.url).href },
  webgpu: { script: new URL('./wasm/selvedge-webgpu.js', import.meta.url).href, binary: new URL('./wasm/selvedge-webgpu_bg.wasm', import.meta.url).href },
});

const folder = (url) => absolute(url).replace(/\/?$/, '/');

/** Resolves a URL against the page or the worker. The placeholder `{sha256}` of a URL of weights is kept. */
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? location.href).href.replace('%7Bsha256%7D', '{sha256}');
