// Client of a model's worker, for the tagger, the query encoder and the segmenter.
//
// **Invariant:** every call ends within its time limit, with an answer or with a ModelError.
//
// If WebGPU fails (no answer, a wrong answer, a lost device, a crash), the worker is terminated and a new one starts on the
// CPU. All models of a page share one Gpu: after a failure of one model, the others do not use the GPU either.

/** Failure of a call. `code` comes from the worker (`absent`: the shop has no such model), or is `timeout`, `crashed`, `closed` or `superseded`. */
export class ModelError extends Error {
  constructor(code, message, gpu = false) {
    super(message);
    this.code = code;
    /** True if the call may succeed on the CPU. */
    this.gpu = gpu;
  }
}

/** Backend that the models of a page share. Dispatches `disabled` at most once; its `detail` is the ModelError. */
export class Gpu extends EventTarget {
  /** @param {'auto'|'webgpu'|'cpu'} backend `auto` until the GPU has been detected */
  constructor(backend) {
    super();
    this.backend = backend;
  }

  /** Makes all models use the CPU from now on. */
  disable(error) {
    if (this.backend === 'cpu') return;
    this.backend = 'cpu';
    this.dispatchEvent(new CustomEvent('disabled', { detail: error }));
  }
}

/** Runs a model in a worker. Dispatches the CustomEvents `progress` ({loaded, total}) and `fallback` ({code, message}). */
export class Model extends EventTarget {
  #options;
  #worker = null;
  #ready = null; // promise of load()
  #pending = null; // the request that waits for an answer
  #running; // backend of the worker
  #gpuTimer = null;
  #gpuSince = 0;
  #gpuSpent = 0;
  #lastCall = Promise.resolve();
  #newest = new Map(); // type of a call → its newest message

  /**
   * @param {{name: 'tagger'|'query-encoder'|'segmenter', gpu: Gpu, loadTimeout: number, tagTimeout: number, gpuLoadTimeout: number,
   *   gpuTagTimeout: number, api: URL, modules: URL}} options `name` is the model's path in the service; timeouts in ms.
   *   `gpuLoadTimeout` limits adapter, device and first answer together, without downloads
   */
  constructor(options) {
    super();
    this.#options = { ...options };
    this.#options.gpu.addEventListener('disabled', ({ detail }) => this.#onGpuDisabled(detail));
  }

  /** Starts the worker once. Resolves to `{backend, modelId}`. */
  load() {
    this.#ready ??= this.#start().catch((error) => {
      this.#stop();
      throw error;
    });
    return this.#ready;
  }

  /**
   * Tags a photo. Resolves to `{tags, groups, statesPrecise, backend, modelId, ms}`; `groups` are those of the bundle's labels,
   * empty if it does not name them, and `statesPrecise` is true if the bundle states precise thresholds. Calls run one after the other. Of the waiting calls of one type only the newest runs. The others fail
   * with `superseded`.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   */
  tag({ pixels, width, height }) {
    return this.#queue({ type: 'tag', rgba: pixels, width, height }, 'tags');
  }

  /**
   * Embeds a photo or a crop of it. Resolves to `{values: Float32Array, backend, modelId, ms}`. Calls are queued as in `tag`.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   * @param {{x: number, y: number, width: number, height: number}|null} crop in pixels
   */
  embed({ pixels, width, height }, crop) {
    return this.#queue({ type: 'embed', rgba: pixels, width, height, crop }, 'embedding');
  }

  /**
   * Proposes a crop box around the salient object. Resolves to `{box: {x, y, width, height}|null}` in pixels.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   */
  propose({ pixels, width, height }) {
    return this.#queue({ type: 'propose', rgba: pixels, width, height }, 'box');
  }

  /**
   * Finds the pieces of the outfit in a photo, largest first. Resolves to `{pieces: {class, box, share, score}[], person, ms, …}`;
   * boxes in pixels. `person` is null if the photo shows none. Calls are queued as in `tag`.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   */
  pieces({ pixels, width, height }) {
    return this.#queue({ type: 'find', rgba: pixels, width, height }, 'pieces');
  }

  #queue(message, answerType) {
    this.#newest.set(message.type, message);
    const call = this.#lastCall.then(() => this.#run(message, answerType));
    this.#lastCall = call.catch(() => {});
    return call;
  }

  /** Terminates the worker. A later call starts a new one. */
  close() {
    this.#stop();
  }

  async #run(message, answerType) {
    this.#requireNewest(message);
    const { backend, modelId } = await this.load();
    this.#requireNewest(message);
    try {
      const { tagTimeout, gpuTagTimeout } = this.#options;
      return { ...(await this.#request(message, answerType, backend === 'cpu' ? tagTimeout : gpuTagTimeout)), backend, modelId };
    } catch (error) {
      if (error.code === 'input_invalid') throw error;
      this.#stop(); // the state of the worker is unknown
      if (!error.gpu) throw error;
      this.#options.gpu.disable(error);
      return this.#run(message, answerType);
    }
  }

  #requireNewest(message) {
    if (this.#newest.get(message.type) !== message) throw new ModelError('superseded', 'a newer call replaces this one');
  }

  async #start() {
    try {
      return await this.#open();
    } catch (error) {
      if (!error.gpu) throw error;
      this.#stop(false);
      this.#options.gpu.disable(error);
      return this.#open();
    }
  }

  #open() {
    const { name, gpu, api, modules, loadTimeout } = this.#options;
    const { backend } = gpu;
    this.#running = backend;
    this.#gpuSpent = 0;
    const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    this.#worker = worker;
    worker.addEventListener('message', ({ data }) => {
      if (worker === this.#worker) this.#onMessage(data); // messages of a terminated worker are ignored
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.#worker) return;
      this.#pending?.reject(new ModelError('crashed', event.message ?? 'the worker did not start', this.#onGpu()));
    });
    return this.#request({ type: 'load', name, backend, api: String(api), modules: String(modules) }, 'ready', loadTimeout);
  }

  /** Sends a message and waits for the answer of a type. Every message from the worker restarts the time limit. */
  #request(message, answerType, timeout) {
    return new Promise((resolve, reject) => {
      if (!this.#worker) throw new ModelError('closed', 'the model was closed');
      let timer;
      const settle = (finish) => (value) => {
        clearTimeout(timer);
        this.#pending = null;
        finish(value);
      };
      const pending = { answerType, resolve: settle(resolve), reject: settle(reject) };
      pending.restartTimer = () => {
        clearTimeout(timer);
        timer = setTimeout(() => pending.reject(this.#timeoutError(timeout, answerType !== 'ready')), timeout);
      };
      this.#pending = pending;
      pending.restartTimer();
      this.#worker.postMessage(message);
    });
  }

  #onMessage(data) {
    if (data.type === 'failed') {
      const error = new ModelError(data.code, data.message, data.gpu);
      if (this.#pending) this.#pending.reject(error);
      else if (data.gpu) this.#options.gpu.disable(error); // between two photos
    } else if (data.type === 'gpu') {
      this.#watchGpu(data.busy);
      this.#pending?.restartTimer();
    } else if (data.type === 'backend') {
      this.#running = data.backend;
      if (this.#options.gpu.backend === 'auto') this.#options.gpu.backend = data.backend;
      this.#pending?.restartTimer();
    } else if (data.type === 'progress') {
      this.#pending?.restartTimer();
      this.dispatchEvent(new CustomEvent('progress', { detail: { loaded: data.loaded, total: data.total } }));
    } else if (data.type === this.#pending?.answerType) {
      this.#pending.resolve(data);
    }
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
    const onTimeout = () => this.#pending?.reject(this.#timeoutError(gpuLoadTimeout, true));
    this.#gpuTimer = setTimeout(onTimeout, gpuLoadTimeout - this.#gpuSpent);
  }

  #timeoutError(timeout, computing) {
    return new ModelError('timeout', `no answer within ${timeout / 1000} s`, computing && this.#onGpu());
  }

  /** Restarts on the CPU: at once if a call waits, or else in advance of the next one. */
  #onGpuDisabled(error) {
    this.dispatchEvent(new CustomEvent('fallback', { detail: { code: error.code, message: error.message } }));
    if (!this.#worker || !this.#onGpu()) return;
    if (this.#pending) return this.#pending.reject(new ModelError(error.code, error.message, true));
    this.#stop();
    this.load().catch(() => {}); // the next call reports the failure
  }

  #onGpu() {
    return this.#running !== 'cpu';
  }

  #stop(forgetLoad = true) {
    clearTimeout(this.#gpuTimer);
    this.#worker?.terminate();
    this.#worker = null;
    this.#pending?.reject(new ModelError('closed', 'the model was closed'));
    if (forgetLoad) this.#ready = null;
  }
}
