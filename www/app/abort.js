// Helpers for AbortSignals.

/** Throws the reason of a signal that is aborted. */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw signal.reason;
}

/**
 * Settles as `promise`, or rejects with the signal's reason as soon as it is aborted.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal|null|undefined} signal
 * @returns {Promise<T>}
 */
export function orAbort(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const done = () => signal.removeEventListener('abort', abort);
    promise.then(resolve, reject).then(done);
  });
}

/**
 * Returns a signal that is aborted with the first of two signals, and a function that lets go of both. AbortSignal.any does the
 * same, but browsers of 2023 do not have it.
 * @param {(AbortSignal|null|undefined)[]} signals
 * @returns {{signal: AbortSignal|undefined, release: () => void}}
 */
export function joinSignals(...signals) {
  const given = signals.filter(Boolean);
  if (given.length < 2) return { signal: given[0], release: () => {} };
  const controller = new AbortController();
  const aborts = given.map((signal) => {
    const abort = () => controller.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    return () => signal.removeEventListener('abort', abort);
  });
  return { signal: controller.signal, release: () => aborts.forEach((remove) => remove()) };
}
