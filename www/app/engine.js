// Client of the worker that runs the models. All models of an engine share its worker, one wasm module and one device.
//
// **Invariant:** every call ends within its time limits, with an answer, with a TaggerError, or with the reason of its signal.
//
// * If WebGPU fails (no answer, a wrong answer, a lost device, a crash), the worker is terminated and a new one starts on the
//   CPU. Requests without an answer are repeated there.
// * An aborted call that has not begun never begins. A computation on the CPU cannot be interrupted: if an aborted one still
//   runs after a moment, the worker is terminated. Other requests are repeated in a new worker.
// * A worker that is not in use is terminated. The next call starts a new one.

import { orAbort, throwIfAborted } from './abort.js';
import { readChoice, storeChoice } from './choice.js';
import { TaggerError } from './errors.js';
import { isUnmetered } from './intent.js';

/**
 * Least and largest time that an aborted computation has to end by itself, ms. Between them it is the time that the worker took to
 * start, because a new one takes as long. An aborted download ends after the least time.
 */
const ABORT_GRACE = [300, 2_000];

/** Least time between the last call and the end of the worker of a hidden page, ms. */
const HIDDEN_GRACE = 1_000;

/** Time without calls before the backends are compared, ms. */
const QUIET = 2_000;

/** Codes of failures that leave the worker in order. */
const HARMLESS = [
  'absent', 'unreachable', 'unexpected', 'corrupt', 'renewed', 'bundle_invalid',
  'not_an_image', 'unreadable', 'heic', 'too_large', 'memory', 'input_invalid', 'pixels_hidden',
];

const engines = new Map(); // options as JSON → Engine

/**
 * @typedef {{workerUrl: string, modules: Record<'cpu'|'webgpu', {script: string, binary: string}>, backend: 'auto'|'webgpu'|'cpu',
 *   rememberBackend: boolean, loadTimeout: number, tagTimeout: number, gpuLoadTimeout: number, gpuTagTimeout: number, idleTimeout: number}} EngineOptions
 *   times in ms. `loadTimeout` and `tagTimeout` limit the wait for the next message of the worker. `gpuLoadTimeout` limits adapter,
 *   device and first answer together, without downloads
 * @typedef {{key: string, kind: 'tagger'|'encoder'|'segmenter', manifestUrl: string, weightsUrl: string|null}} ModelSource
 */

/**
 * Returns the engine with these options. Callers with equal options share it. Each of them releases it once.
 * @param {EngineOptions} options
 * @param {ModelSource[]} models models that the caller may use
 */
export function acquireEngine(options, models) {
  const key = JSON.stringify(options);
  if (!engines.has(key)) engines.set(key, new Engine(options, () => engines.delete(key)));
  const engine = engines.get(key);
  engine.retain(models);
  return engine;
}

/** Closes the decoded files of all workers. Called before another file is decoded, so that two large ones are rarely in memory. */
export function releaseImages() {
  for (const engine of engines.values()) engine.releaseImage();
}

/** One worker. Dispatches the CustomEvents `progress` ({key, loaded, total}) and `fallback` ({code, message}), and the Event `storagefull`. */
class Engine extends EventTarget {
  /** Backend of the worker; `auto` until the GPU has been detected. */
  backend;

  #options;
  #onUnused;
  #users = 0; // callers that have not released the engine
  #uses = new Map(); // key of a model → number of callers that may use it
  #worker = null;
  #startedAt = null; // time of the start, until the first model is ready
  #startTook = 0;
  #compiled = null; // {backend, module}: wasm module of a worker, for the next one
  #loads = new Map(); // key of a model → its load
  #bundles = new Map(); // key of a model → its manifest and verified weights, for the next worker
  #requests = new Map(); // id → request without an answer
  #lastId = 0;
  #lastTurn = Promise.resolve(); // settles when the last call has ended
  #turns = 0; // calls that run or wait for their turn
  #gpuTimer = null;
  #gpuSince = 0;
  #gpuSpent = 0;
  #idleTimer = null;
  #choice = null; // key of the remembered backend, and true if it is known
  #tagged = null; // key of the tagger, after its first answer
  #quietTimer = null; // until the comparison of the backends begins
  #measureTimer = null; // time limit of the comparison that runs
  #hiddenSince = null;
  #onVisibility = () => {
    this.#hiddenSince = document.hidden ? performance.now() : null;
    this.#watchUse();
  };

  /** @param {EngineOptions} options @param {() => void} onUnused called when the last caller has released the engine */
  constructor(options, onUnused) {
    super();
    this.#options = options;
    this.#onUnused = onUnused;
    this.backend = options.backend;
  }

  /** True if no call runs or waits. */
  get isFree() {
    return this.#turns === 0;
  }

  /** Counts a caller. */
  retain(models) {
    this.#users++;
    for (const { key } of models) this.#uses.set(key, (this.#uses.get(key) ?? 0) + 1);
  }

  /** Releases the engine and disposes of models that no other caller uses. Without callers the worker ends. */
  release(models) {
    for (const { key } of models) {
      this.#uses.set(key, this.#uses.get(key) - 1);
      if (this.#uses.get(key) > 0) continue;
      this.#bundles.delete(key);
      if (!this.#loads.get(key)?.settled) continue;
      this.#loads.delete(key);
      this.#worker?.postMessage({ type: 'unload', key });
    }
    if (--this.#users > 0) return;
    this.#onUnused();
    this.#endWorker(new TaggerError('disposed', 'the tagger was disposed of'));
    this.#compiled = null;
  }

  /**
   * Loads a model once. Resolves to `{backend, modelId}`. A download stops when no caller waits for it any more.
   * @param {ModelSource} model
   * @param {AbortSignal} [signal]
   */
  async load(model, signal) {
    throwIfAborted(signal);
    const load = this.#loads.get(model.key) ?? this.#startLoad(model);
    load.waiters++;
    try {
      return await orAbort(load.ready, signal);
    } finally {
      load.waiters--;
      if (signal?.aborted) setTimeout(() => this.#cancelUnwanted(load), ABORT_GRACE[0]);
    }
  }

  /**
   * Runs a call of a model after all earlier calls. Resolves to the answer with `backend` and `modelId`.
   * @param {ModelSource} model
   * @param {'tag'|'embed'|'find'|'propose'} type
   * @param {Promise<import('./source.js').OpenedImage>} opening
   * @param {{x: number, y: number, width: number, height: number}|null} box in pixels of the input
   * @param {AbortSignal} [signal]
   */
  call(model, type, opening, box, signal) {
    const run = async () => {
      const loading = this.load(model, signal);
      // A file is decoded when its turn comes, so that few decoded images wait. The first one is decoded while the model loads.
      if (this.isFree && this.#loads.get(model.key)?.settled === false) opening.then((opened) => opened.isUnread && this.#worker?.postMessage({ type: 'decode', image: opened.file }), () => {});
      const { backend, modelId } = await loading;
      const answer = await this.#inTurn(async () => {
        if (!this.#loads.get(model.key)?.settled) throw restarted(); // while the call waited
        const opened = await orAbort(opening, signal);
        const { image, transfer } = await opened.send();
        if (signal?.aborted) image.bitmap?.close();
        throwIfAborted(signal);
        return this.#request({ type, key: model.key, image, box: box && opened.toFull(box) }, { transfer, signal });
      }, signal);
      return { ...answer, backend, modelId };
    };
    return orAbort(untilNoRetry(run), signal);
  }

  /** Closes the decoded file in the worker. */
  releaseImage() {
    this.#worker?.postMessage({ type: 'release' });
  }

  #startLoad(model) {
    const load = { model, waiters: 0, settled: false, id: null };
    this.#loads.set(model.key, load);
    load.ready = untilNoRetry(async () => {
      const { bundle = this.#bundles.get(model.key), ...info } = await this.#request({ type: 'load', model, bundle: this.#bundles.get(model.key) }, { onId: (id) => (load.id = id) });
      this.#bundles.set(model.key, bundle);
      return info;
    });
    load.ready.then(
      () => (load.settled = true),
      () => this.#loads.get(model.key) === load && this.#loads.delete(model.key),
    );
    return load;
  }

  #cancelUnwanted(load) {
    if (load.waiters > 0 || load.settled || !this.#requests.has(load.id)) return;
    this.#worker.postMessage({ type: 'cancel', id: load.id });
    this.#requests.get(load.id).reject(new DOMException('no caller waits for the model', 'AbortError'));
  }

  async #inTurn(work, signal) {
    const before = this.#lastTurn;
    let end;
    this.#lastTurn = new Promise((done) => (end = done));
    this.#turns++;
    try {
      await before;
      throwIfAborted(signal);
      return await work();
    } finally {
      this.#turns--;
      end();
      this.#watchUse();
    }
  }

  /** Sends a message and waits for the answer. */
  #request(message, { transfer = [], signal, onId }) {
    this.#startWorker();
    const id = ++this.#lastId;
    onId?.(id);
    const isLoad = message.type === 'load';
    return new Promise((resolve, reject) => {
      let timer;
      let graceTimer;
      const onAbort = () => {
        this.#worker.postMessage({ type: 'cancel', id }); // for a call that waits in the worker for a load
        const onLate = () => {
          if (!request.begun) request.reject(signal.reason);
          else if (this.backend === 'cpu') this.#fail(id, signal.reason); // a GPU cannot be interrupted, and its answer is dropped
        };
        graceTimer = setTimeout(onLate, Math.min(ABORT_GRACE[1], Math.max(ABORT_GRACE[0], this.#startTook)));
      };
      const settle = (finish) => (value) => {
        clearTimeout(timer);
        clearTimeout(graceTimer);
        signal?.removeEventListener('abort', onAbort);
        this.#requests.delete(id);
        this.#watchUse();
        finish(value);
      };
      const request = { isLoad, begun: false, key: message.key ?? message.model.key, resolve: settle(resolve), reject: settle(reject) };
      request.restartTimer = () => {
        const { loadTimeout, tagTimeout, gpuTagTimeout } = this.#options;
        const limit = !request.begun ? loadTimeout : this.backend === 'cpu' ? tagTimeout : gpuTagTimeout;
        clearTimeout(timer);
        timer = setTimeout(() => this.#fail(id, this.#timeoutError(limit, request.begun)), limit);
      };
      signal?.addEventListener('abort', onAbort);
      this.#requests.set(id, request);
      this.#watchUse();
      request.restartTimer();
      try {
        this.#worker.postMessage({ ...message, id }, transfer);
      } catch (cause) {
        request.reject(new TaggerError('cross_origin', 'the image is of another origin, which does not allow to read it', { cause }));
      }
    });
  }

  #startWorker() {
    if (this.#worker) return;
    if (this.#users === 0) throw new TaggerError('disposed', 'the tagger was disposed of');
    const { workerUrl, modules } = this.#options;
    const { worker, started } = createWorker(workerUrl);
    this.#worker = worker;
    this.#startedAt = performance.now();
    this.#gpuSpent = 0;
    let answered = false;
    worker.addEventListener('message', ({ data }) => {
      started();
      answered = true;
      if (worker === this.#worker) this.#onMessage(data); // messages of a terminated worker are ignored
    });
    const onError = (event) => {
      event.preventDefault();
      if (worker !== this.#worker) return;
      const [code, message] = answered ? ['crashed', event.message ?? 'a message was unreadable'] : ['worker_failed', event.message ?? 'the worker did not start'];
      this.#fail(null, new TaggerError(code, message, { retry: this.backend !== 'cpu' }));
    };
    for (const type of ['error', 'messageerror']) worker.addEventListener(type, onError);
    const compiled = this.#compiled?.backend === this.backend ? this.#compiled.module : null;
    const remembered = this.#options.rememberBackend ? readChoice() : null;
    worker.postMessage({ type: 'start', backend: this.backend, modules, compiled, remembered, unmeasured: this.#choice?.known === false });
    globalThis.document?.addEventListener('visibilitychange', this.#onVisibility);
    this.#hiddenSince = globalThis.document?.hidden ? (this.#hiddenSince ?? performance.now()) : null;
  }

  #onMessage(data) {
    const request = this.#requests.get(data.id);
    if (data.type === 'begun' && request) request.begun = true;
    if (data.type === 'backend' && this.backend === 'auto') ({ backend: this.backend, choice: this.#choice } = data);
    if (data.type === 'gpu') this.#watchGpu(data.busy); // its timer has to fire first
    // A call that has not begun waits for loads, so every message restarts its time limit, too.
    for (const waiting of this.#requests.values()) if (!waiting.begun || waiting === request) waiting.restartTimer();
    if (data.type === 'compiled') this.#compiled = { backend: data.backend, module: data.module };
    else if (data.type === 'progress' && request) this.dispatchEvent(new CustomEvent('progress', { detail: { key: request.key, loaded: data.loaded, total: data.total } }));
    else if (data.type === 'full') this.dispatchEvent(new Event('storagefull'));
    else if (data.type === 'measured') this.#onMeasured(data);
    else if (data.type === 'done') this.#onDone(data, request);
    else if (data.type === 'failed' && (request || data.id === null)) {
      const error = new TaggerError(data.code, data.message, { retry: data.gpu });
      if (request && !data.gpu && !data.fatal && HARMLESS.includes(error.code)) request.reject(error);
      else this.#fail(data.id, error);
    }
  }

  #onDone({ answer }, request) {
    if (this.#startedAt !== null) this.#startTook = performance.now() - this.#startedAt;
    this.#startedAt = null;
    if (answer.tags) this.#tagged = request?.key ?? null;
    request?.resolve(answer);
  }

  /** Starts or pauses the time limit of the GPU. */
  #watchGpu(busy) {
    clearTimeout(this.#gpuTimer);
    if (!busy) {
      this.#gpuSpent += performance.now() - this.#gpuSince;
      return;
    }
    const { gpuLoadTimeout } = this.#options;
    this.#gpuSince = performance.now();
    this.#gpuTimer = setTimeout(() => this.#fail(null, this.#timeoutError(gpuLoadTimeout, true)), gpuLoadTimeout - this.#gpuSpent);
  }

  #timeoutError(limit, computing) {
    return new TaggerError('timeout', `no answer within ${limit / 1000} s`, { retry: computing && this.backend !== 'cpu' });
  }

  /**
   * Ends the worker after a failure. If the error has `retry` set, all models move from the GPU to the CPU.
   * @param {number|null} id the request that failed; null if it is unknown
   */
  #fail(id, error) {
    const failed = this.#requests.get(id) ?? [...this.#requests.values()].find(({ isLoad }) => !isLoad);
    const unused = this.#requests.size === 0;
    const loaded = [...this.#loads.values()].map(({ model }) => model);
    const leavesGpu = Boolean(error?.retry) && this.backend !== 'cpu';
    if (leavesGpu) this.backend = 'cpu';
    if (leavesGpu && this.#choice) storeChoice({});
    failed?.reject(error);
    this.#endWorker(failed || leavesGpu ? restarted() : error);
    if (!leavesGpu) return;
    this.dispatchEvent(new CustomEvent('fallback', { detail: { code: error.code, message: error.message } }));
    // Between two photos the models start on the CPU in advance. The next call reports a failure.
    if (unused) for (const model of loaded) this.load(model).catch(() => {});
  }

  /** Terminates the worker and rejects all requests. Loads that are repeated stay known. */
  #endWorker(error) {
    clearTimeout(this.#gpuTimer);
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#quietTimer);
    clearTimeout(this.#measureTimer);
    this.#measureTimer = null;
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisibility);
    this.#worker?.terminate();
    this.#worker = null;
    for (const [key, { settled }] of [...this.#loads]) if (settled) this.#loads.delete(key);
    for (const request of [...this.#requests.values()]) request.reject(error);
  }

  /** Ends the worker when it has not been used for a while, or when the page has been hidden for a while. */
  #watchUse() {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#quietTimer);
    if (!this.#isIdle) return;
    if (this.backend === 'webgpu' && this.#choice?.known === false && this.#tagged) this.#quietTimer = setTimeout(() => whenIdle(() => this.#measure()), QUIET);
    const { idleTimeout } = this.#options;
    const hiddenFor = this.#hiddenSince === null ? 0 : performance.now() - this.#hiddenSince;
    this.#idleTimer = setTimeout(() => this.#endWorker(), Math.max(Math.min(HIDDEN_GRACE, idleTimeout), idleTimeout - hiddenFor));
  }

  get #isIdle() {
    return this.#worker !== null && this.#requests.size === 0 && this.#turns === 0;
  }

  /** Compares the backends for the next visit. A call aborts it. Then it is repeated after the call. */
  #measure() {
    if (!this.#isIdle || this.#measureTimer || globalThis.document?.hidden || !isUnmetered() || !this.#loads.has(this.#tagged)) return;
    this.#worker.postMessage({ type: 'measure', key: this.#tagged });
    const { gpuTagTimeout } = this.#options;
    this.#measureTimer = setTimeout(() => this.#fail(null, this.#timeoutError(gpuTagTimeout, true)), gpuTagTimeout);
  }

  #onMeasured({ backend, aborted }) {
    clearTimeout(this.#measureTimer);
    this.#measureTimer = null;
    this.#choice.known = !aborted;
    if (backend) storeChoice({ [this.#choice.key]: backend });
    this.#watchUse();
  }
}

/** Calls a function when the browser has nothing else to do. */
const whenIdle = (run) => (globalThis.requestIdleCallback ? requestIdleCallback(run) : run());

/** Error of a request whose worker has ended through no fault of the request. */
const restarted = () => new TaggerError('crashed', 'the worker has ended', { retry: true });

/** Repeats work in a new worker while it fails through no fault of its own. Each repetition follows the failure of another request. */
async function untilNoRetry(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TaggerError && error.retry)) throw error;
    }
  }
}

/** Starts a module worker. A script of another origin is imported by a script of this origin. `started` frees that script. */
function createWorker(url) {
  const foreign = /^https?:/.test(url) && new URL(url).origin !== globalThis.location?.origin;
  const script = foreign ? URL.createObjectURL(new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' })) : url;
  const started = () => foreign && URL.revokeObjectURL(script);
  try {
    return { worker: new Worker(trusted(script), { type: 'module', name: 'selvedge' }), started };
  } catch (cause) {
    started();
    throw new TaggerError('worker_failed', String(cause), { cause });
  }
}

let policy;

/** Returns a URL of a script for pages with Trusted Types. The policy is called `selvedge`, unless the page has a default one. */
function trusted(url) {
  if (globalThis.trustedTypes?.defaultPolicy) return url;
  policy ??= globalThis.trustedTypes?.createPolicy('selvedge', { createScriptURL: (text) => text }) ?? { createScriptURL: (text) => text };
  return policy.createScriptURL(url);
}
