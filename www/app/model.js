// The page's side of a model's worker: the tagger's, or the query encoder's. Every call ends within its time: with an answer,
// or with a ModelError.
//
// Whatever goes wrong on WebGPU (no answer, a wrong one, a lost device, a crash), the worker is ended and a new one starts on
// the CPU. All models of a page share one verdict on the GPU: what failed for one is not tried by the others.

/** Why there is no answer. `code` is the worker's (`absent` where the shop has no such model), or `timeout` / `crashed` / `superseded`. */
export class ModelError extends Error {
  constructor(code, message, gpu = false) {
    super(message);
    this.code = code;
    /** True where the CPU may still do it. */
    this.gpu = gpu;
  }
}

/** The verdict on the GPU that a page's models share. Dispatches `refused` (its `detail` is the ModelError) once. */
export class Gpu extends EventTarget {
  /** @param {'auto'|'webgpu'|'cpu'} backend `auto` until an adapter was looked for */
  constructor(backend) {
    super();
    this.backend = backend;
  }

  /** Nobody uses the GPU from now on. */
  refuse(error) {
    if (this.backend === 'cpu') return;
    this.backend = 'cpu';
    this.dispatchEvent(new CustomEvent('refused', { detail: error }));
  }
}

/** Reads photos in a worker. Dispatches `progress` ({loaded, total}) and `fallback` ({message}) as CustomEvents. */
export class Model extends EventTarget {
  #options;
  #worker = null;
  #ready = null;
  #wait = null;
  #running;
  #gpuClock = null;
  #gpuSince = 0;
  #gpuSpent = 0;
  #tail = Promise.resolve();
  #newest = new Map(); // type of a call → its newest message

  /**
   * @param {{name: 'tagger'|'query-encoder', gpu: Gpu, loadTimeout: number, tagTimeout: number, gpuLoadTimeout: number,
   *   gpuTagTimeout: number, api: URL, modules: URL}} options ms; `name` is the model's place in the service. `gpuLoadTimeout` is
   *   what adapter, device and first answer may take together, downloads aside
   */
  constructor(options) {
    super();
    this.#options = { ...options };
    this.#options.gpu.addEventListener('refused', ({ detail }) => this.#leaveGpu(detail));
  }

  /** Starts the worker, once; resolves to `{backend, modelId}`. */
  load() {
    this.#ready ??= this.#start().catch((error) => {
      this.#stop();
      throw error;
    });
    return this.#ready;
  }

  /**
   * Tags a photo; resolves to `{tags, backend, ms}`. Calls wait for each other, and of those that wait only the newest of its
   * type runs: the others end as `superseded`.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   */
  tag({ pixels, width, height }) {
    return this.#queue({ type: 'tag', rgba: pixels, width, height }, 'tags');
  }

  /**
   * Embeds a photo, or the box on it; resolves to `{values: Float32Array, modelId, backend, ms}`. Calls wait for each other.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   * @param {{x: number, y: number, width: number, height: number}|null} crop in pixels
   */
  embed({ pixels, width, height }, crop) {
    return this.#queue({ type: 'embed', rgba: pixels, width, height, crop }, 'embedding');
  }

  /**
   * Proposes a box around what stands out; resolves to `{box: {x, y, width, height}|null}` in pixels.
   * @param {{pixels: Uint8Array, width: number, height: number}} photo
   */
  propose({ pixels, width, height }) {
    return this.#queue({ type: 'propose', rgba: pixels, width, height }, 'box');
  }

  #queue(message, answer) {
    this.#newest.set(message.type, message);
    const turn = this.#tail.then(() => this.#run(message, answer));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** Ends the worker. A later call starts another. */
  close() {
    this.#stop();
  }

  async #run(message, answer) {
    this.#mustBeNewest(message);
    const { backend, modelId } = await this.load();
    this.#mustBeNewest(message);
    try {
      const { tagTimeout, gpuTagTimeout } = this.#options;
      return { ...(await this.#ask(message, answer, backend === 'cpu' ? tagTimeout : gpuTagTimeout)), backend, modelId };
    } catch (error) {
      if (error.code === 'input_invalid') throw error;
      this.#stop(); // whatever state it is in, nobody needs it
      if (!error.gpu) throw error;
      this.#options.gpu.refuse(error);
      return this.#run(message, answer);
    }
  }

  #mustBeNewest(message) {
    if (this.#newest.get(message.type) !== message) throw new ModelError('superseded', 'a newer call took its place');
  }

  async #start() {
    try {
      return await this.#open();
    } catch (error) {
      if (!error.gpu) throw error;
      this.#stop(false);
      this.#options.gpu.refuse(error);
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
      if (worker === this.#worker) this.#hear(data); // an ended worker's last words don't count
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.#worker) return;
      this.#wait?.reject(new ModelError('crashed', event.message ?? 'the worker did not start', this.#onGpu()));
    });
    return this.#ask({ type: 'load', name, backend, api: String(api), modules: String(modules) }, 'ready', loadTimeout);
  }

  /** Sends a message and waits for the answer of that type; the clock starts again with every sign of life. */
  #ask(message, answer, timeout) {
    return new Promise((resolve, reject) => {
      if (!this.#worker) throw new ModelError('closed', 'the model was closed');
      let timer;
      const settle = (finish) => (value) => {
        clearTimeout(timer);
        this.#wait = null;
        finish(value);
      };
      const wait = { answer, resolve: settle(resolve), reject: settle(reject) };
      wait.alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => wait.reject(this.#late(timeout, answer !== 'ready')), timeout);
      };
      this.#wait = wait;
      wait.alive();
      this.#worker.postMessage(message);
    });
  }

  #hear(data) {
    if (data.type === 'failed') {
      const error = new ModelError(data.code, data.message, data.gpu);
      if (this.#wait) this.#wait.reject(error);
      else if (data.gpu) this.#options.gpu.refuse(error); // between two photos
    } else if (data.type === 'gpu') {
      this.#watchGpu(data.busy);
      this.#wait?.alive();
    } else if (data.type === 'backend') {
      this.#running = data.backend;
      if (this.#options.gpu.backend === 'auto') this.#options.gpu.backend = data.backend;
      this.#wait?.alive();
    } else if (data.type === 'progress') {
      this.#wait?.alive();
      this.dispatchEvent(new CustomEvent('progress', { detail: { loaded: data.loaded, total: data.total } }));
    } else if (data.type === this.#wait?.answer) {
      this.#wait.resolve(data);
    }
  }

  /** Lets the GPU's time run, or stops it. */
  #watchGpu(busy) {
    clearTimeout(this.#gpuClock);
    if (!busy) {
      this.#gpuSpent += performance.now() - this.#gpuSince;
      return;
    }
    const { gpuLoadTimeout } = this.#options;
    this.#gpuSince = performance.now();
    this.#gpuClock = setTimeout(() => this.#wait?.reject(this.#late(gpuLoadTimeout, true)), gpuLoadTimeout - this.#gpuSpent);
  }

  /** The error of an answer that did not come. */
  #late(timeout, computing) {
    return new ModelError('timeout', `no answer within ${timeout / 1000} s`, computing && this.#onGpu());
  }

  /** Goes on without the GPU: at once where a photo waits, else by being ready before the next one. */
  #leaveGpu(error) {
    this.dispatchEvent(new CustomEvent('fallback', { detail: { code: error.code, message: error.message } }));
    if (!this.#worker || !this.#onGpu()) return;
    if (this.#wait) return this.#wait.reject(new ModelError(error.code, error.message, true));
    this.#stop();
    this.load().catch(() => {}); // the next photo says so if that fails too
  }

  #onGpu() {
    return this.#running !== 'cpu';
  }

  #stop(forget = true) {
    clearTimeout(this.#gpuClock);
    this.#worker?.terminate();
    this.#worker = null;
    this.#wait?.reject(new ModelError('closed', 'the model was closed'));
    if (forget) this.#ready = null;
  }
}
