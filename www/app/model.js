// The page's side of a model's worker: the tagger's, or the query encoder's. Every call ends within its time: with an answer,
// or with a ModelError.
//
// Whatever goes wrong on WebGPU (no answer, a lost device, a crash), the worker is ended and a new one starts on the CPU.

/** Why there is no answer. `code` is the worker's (`absent` where the shop has no such model), or `timeout` / `crashed`. */
export class ModelError extends Error {
  constructor(code, message, gpu = false) {
    super(message);
    this.code = code;
    /** True where the CPU may still do it. */
    this.gpu = gpu;
  }
}

/** Reads photos in a worker. Dispatches `progress` ({loaded, total}) and `fallback` ({message}) as CustomEvents. */
export class Model extends EventTarget {
  #options;
  #worker = null;
  #ready = null;
  #wait = null;
  #running;
  #tail = Promise.resolve();

  /**
   * @param {{name: 'tagger'|'query-encoder', backend: 'auto'|'webgpu'|'cpu', loadTimeout: number, tagTimeout: number, api: URL,
   *   modules: URL}} options ms; `name` is the model's place in the service
   */
  constructor(options) {
    super();
    this.#options = { ...options };
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
   * Tags a photo; resolves to `{tags, backend, ms}`. Calls wait for each other.
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
    const turn = this.#tail.then(() => this.#run(message, answer));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** Ends the worker. A later call starts another. */
  close() {
    this.#stop();
  }

  async #run(message, answer) {
    const { backend, modelId } = await this.load();
    try {
      return { ...(await this.#ask(message, answer, this.#options.tagTimeout)), backend, modelId };
    } catch (error) {
      if (error.code === 'input_invalid') throw error;
      this.#stop(); // whatever state it is in, nobody needs it
      if (!error.gpu) throw error;
      this.#fallBack(error);
      return this.#run(message, answer);
    }
  }

  async #start() {
    try {
      return await this.#open();
    } catch (error) {
      if (!error.gpu) throw error;
      this.#stop(false);
      this.#fallBack(error);
      return this.#open();
    }
  }

  #open() {
    const { name, backend, api, modules, loadTimeout } = this.#options;
    this.#running = backend;
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
        timer = setTimeout(() => wait.reject(new ModelError('timeout', `no answer within ${timeout / 1000} s`, this.#onGpu())), timeout);
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
      else if (data.gpu) this.#lost(error);
    } else if (data.type === 'backend') {
      this.#running = data.backend;
      this.#wait?.alive();
    } else if (data.type === 'progress') {
      this.#wait?.alive();
      this.dispatchEvent(new CustomEvent('progress', { detail: { loaded: data.loaded, total: data.total } }));
    } else if (data.type === this.#wait?.answer) {
      this.#wait.resolve(data);
    }
  }

  /** The device went away between two photos: be ready on the CPU before the next one. */
  #lost(error) {
    this.#stop();
    this.#fallBack(error);
    this.load().catch(() => {}); // the next photo says so if that fails too
  }

  #fallBack(error) {
    this.#options.backend = 'cpu';
    this.dispatchEvent(new CustomEvent('fallback', { detail: { code: error.code, message: error.message } }));
  }

  #onGpu() {
    return this.#running !== 'cpu';
  }

  #stop(forget = true) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#wait?.reject(new ModelError('closed', 'the model was closed'));
    if (forget) this.#ready = null;
  }
}
