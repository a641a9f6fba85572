// Whether this browser has a GPU worth using, and word of its loss. Runs in the worker.

/** How long the browser may take to name an adapter, ms: a part of what the GPU has for its first answer. */
const ADAPTER_TIMEOUT = 2_000;

/** True where WebGPU has a real adapter. A fallback adapter is software: much slower than the CPU module. */
export async function hasRealAdapter() {
  if (!navigator.gpu) return false;
  try {
    const adapter = await Promise.race([navigator.gpu.requestAdapter(), late()]);
    return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false);
  } catch {
    return false;
  }
}

/**
 * Reports devices that are lost and errors nobody caught. The wasm module opens its device itself, so this listens at the
 * door; a shader that fails would otherwise only give wrong numbers.
 * @param {(reason: string) => void} report
 */
export function watchDevices(report) {
  if (!globalThis.GPUAdapter) return;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    device.lost.then(({ reason, message }) => reason === 'destroyed' || report(`the GPU was lost: ${message || reason}`));
    device.addEventListener('uncapturederror', (event) => report(`the GPU reports: ${event.error.message}`));
    return device;
  };
}

const late = () => new Promise((done) => setTimeout(done, ADAPTER_TIMEOUT, null));
