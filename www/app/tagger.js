// The page's side of the tagger's worker. Every call ends: with tags, or with a TaggerError, within its time.
//
// Whatever goes wrong on WebGPU (no answer, a lost device, a crash), the worker is ended and a new one starts on the CPU.

/** Why there are no tags. `code` is the worker's, or `timeout` / `crashed`. */
export class TaggerError extends Error {
  constructor(code, message, gpu = false) {
    super(message);
    this.code = code;
    /** True where the CPU may still do it. */
    this.gpu = gpu;
  }
}

/** Reads styles in a worker. Dispatches `progress` ({loaded, total}) and `fallback` ({message}) as CustomEvents. */
export class Tagger extends EventTarget {
  #options;
  #worker = null;
  #ready = null;
  #wait = null;
  #running;
  #tail = Promise.resolve();

  /** @param {{backend: 'auto'|'webgpu'|'cpu', loadTimeout: number, tagTimeout: number, api: URL, modules: URL}} options ms */
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
  tag(photo) {
    const turn = this.#tail.then(() => this.#tag(photo));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** Ends the worker. A later call starts another. */
  close() {
    this.#stop();
  }

  async #tag({ pixels, width, height }) {
    const { backend } = await this.load();
    try {
      const { tags, ms } = await this.#ask({ type: 'tag', rgba: pixels, width, height }, 'tags', this.#options.tagTimeout);
      return { tags, ms, backend };
    } catch (error) {
      if (error.code === 'input_invalid') throw error;
      this.#stop(); // whatever state it is in, nobody needs it
      if (!error.gpu) throw error;
      this.#fallBack(error);
      return this.#tag({ pixels, width, height });
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
    const { backend, api, modules, loadTimeout } = this.#options;
    this.#running = backend;
    const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    this.#worker = worker;
    worker.addEventListener('message', ({ data }) => {
      if (worker === this.#worker) this.#hear(data); // an ended worker's last words don't count
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (worker !== this.#worker) return;
      this.#wait?.reject(new TaggerError('crashed', event.message ?? 'the worker did not start', this.#onGpu()));
    });
    return this.#ask({ type: 'load', backend, api: String(api), modules: String(modules) }, 'ready', loadTimeout);
  }

  /** Sends a message and waits for the answer of that type; the clock starts again with every sign of life. */
  #ask(message, answer, timeout) {
    return new Promise((resolve, reject) => {
      if (!this.#worker) throw new TaggerError('closed', 'the tagger was closed');
      let timer;
      const settle = (finish) => (value) => {
        clearTimeout(timer);
        this.#wait = null;
        finish(value);
      };
      const wait = { answer, resolve: settle(resolve), reject: settle(reject) };
      wait.alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => wait.reject(new TaggerError('timeout', `no answer within ${timeout / 1000} s`, this.#onGpu())), timeout);
      };
      this.#wait = wait;
      wait.alive();
      this.#worker.postMessage(message);
    });
  }

  #hear(data) {
    if (data.type === 'failed') {
      const error = new TaggerError(data.code, data.message, data.gpu);
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
    this.load().catch(() => {}); // the next tag() says so if that fails too
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
    this.#wait?.reject(new TaggerError('closed', 'the tagger was closed'));
    if (forget) this.#ready = null;
  }
}
