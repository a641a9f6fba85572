// GPU detection and reports of GPU failures. Runs in the worker.

/** Time limit of the adapter request, ms. It is part of the time that the GPU has for its first answer. */
const ADAPTER_TIMEOUT = 2_000;

/** Names of adapters that compute on the CPU. Not every browser marks them as fallback adapters. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render/i;

/**
 * Describes the hardware adapter of WebGPU. Returns null if there is none. A fallback adapter is software and much slower than the CPU
 * module.
 * @returns {Promise<string[]|null>} vendor, architecture, device and description, as far as the browser states them
 */
export async function describeAdapter() {
  if (!navigator.gpu) return null;
  try {
    const adapter = await Promise.race([navigator.gpu.requestAdapter(), nullAfterTimeout()]);
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info ?? {};
    const names = [vendor, architecture, device, description];
    return (isFallbackAdapter ?? adapter.isFallbackAdapter) || SOFTWARE.test(names) ? null : names;
  } catch {
    return null;
  }
}

/**
 * Reports lost devices and uncaught GPU errors. The wasm module requests its device itself, so this function wraps
 * `requestDevice`. Without it, a shader that fails would only give wrong numbers.
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

const nullAfterTimeout = () => new Promise((done) => setTimeout(done, ADAPTER_TIMEOUT, null));
