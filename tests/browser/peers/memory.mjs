// Memory of a page: its wasm memories and JS heaps with those of its workers, and the resident set of its process.

import { readFileSync } from 'node:fs';

/** Script that records the wasm memories of a page. It must run before the scripts of the page. */
export const RECORDER = `
  window.wasmMemories = new Set();
  const { Memory } = WebAssembly;
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, given) {
      const memory = new target(...given);
      window.wasmMemories.add(memory);
      return memory;
    },
  });
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const answer = await original(...given);
      for (const value of Object.values((answer.instance ?? answer).exports)) if (value instanceof Memory) window.wasmMemories.add(value);
      return answer;
    };
  }`;

/**
 * Prepares the measurement of a page that has run `RECORDER`.
 * @param {import('playwright-core').Browser} browser it must have no other page
 * @param {import('playwright-core').Page} page
 * @returns {Promise<() => Promise<{wasm: number, heap: number, resident: number}>>} a function that collects garbage and measures, in bytes
 */
export async function openMeter(browser, page) {
  const session = await page.context().newCDPSession(page);
  const workers = new Map(); // id of the session → answers that are awaited
  let last = 0;
  session.on('Target.attachedToTarget', ({ sessionId }) => workers.set(sessionId, new Map()));
  session.on('Target.detachedFromTarget', ({ sessionId }) => workers.delete(sessionId));
  session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    const { id, result, error } = JSON.parse(message);
    const waiting = workers.get(sessionId)?.get(id);
    if (waiting) (error ? waiting.fail(new Error(error.message)) : waiting.done(result));
  });
  // Sessions without `flatten`, because playwright has no session for workers.
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const inWorker = (sessionId) => (method, params = {}) =>
    new Promise((done, fail) => {
      workers.get(sessionId).set(++last, { done, fail });
      session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id: last, method, params }) }).catch(fail);
    });
  const system = await browser.newBrowserCDPSession();
  return async () => {
    const own = (method, params) => session.send(method, params);
    const targets = [{ send: own, countWasm: recordedBytes }, ...[...workers.keys()].map((id) => ({ send: inWorker(id), countWasm: foundBytes }))];
    const sum = { wasm: 0, heap: 0, resident: 0 };
    for (const { send, countWasm } of targets) {
      await send('HeapProfiler.collectGarbage');
      sum.wasm += await countWasm(send);
      sum.heap += (await send('Runtime.getHeapUsage')).usedSize;
    }
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    sum.resident = Math.max(...processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => residentSet(id)));
    return sum;
  };
}

/** Bytes of the wasm memories that `RECORDER` has recorded. */
async function recordedBytes(send) {
  const { result } = await send('Runtime.evaluate', { expression: '[...window.wasmMemories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0)' });
  return result.value;
}

/** Bytes of all wasm memories of a worker, where no script can run before its own. */
async function foundBytes(send) {
  const { result } = await send('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
  const { objects } = await send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
  const { result: bytes } = await send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: 'function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0); }', returnByValue: true });
  await send('Runtime.releaseObject', { objectId: objects.objectId });
  return bytes.value;
}

/** Resident set of a process in bytes, or 0 if it has ended. */
function residentSet(id) {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]);
  } catch {
    return 0;
  }
}
