// Memory of a page: its wasm memories and JS heaps with those of its workers, and the resident set of its process.

import { readFileSync } from 'node:fs';

/**
 * Prepares the measurement of a page.
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
    const targets = [(method, params) => session.send(method, params), ...[...workers.keys()].map(inWorker)];
    const sum = { wasm: 0, heap: 0, resident: 0 };
    for (const send of targets) {
      await send('HeapProfiler.collectGarbage');
      const { result } = await send('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
      const { objects } = await send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
      const { result: bytes } = await send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: 'function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0); }', returnByValue: true });
      await send('Runtime.releaseObject', { objectId: objects.objectId });
      sum.wasm += bytes.value;
      sum.heap += (await send('Runtime.getHeapUsage')).usedSize;
    }
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    sum.resident = Math.max(...processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => residentSet(id)));
    return sum;
  };
}

/** Resident set of a process in bytes, or 0 if it has ended. */
function residentSet(id) {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]);
  } catch {
    return 0;
  }
}
