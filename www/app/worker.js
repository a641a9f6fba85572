// Worker of an engine: chooses the backend, starts the wasm module, loads models, tags, embeds and finds pieces. The page uses
// it through engine.js.
//
// Messages in:
//   {type: 'start', backend, modules, compiled, remembered, unmeasured}  first message; modules: {cpu, webgpu: {script, binary}}; compiled: a wasm
//                                                module or null; remembered: backend by key, or null; unmeasured: as below
//   {type: 'load', id, model, bundle}            model: {key, kind, manifestUrl, weightsUrl}; bundle: {text, content} of an earlier load, or undefined
//   {type: 'cancel', id}                         aborts the downloads of a load, or the decoding and reading of a call
//   {type: 'unload', key}
//   {type: 'decode', image}                      a call on this file follows; image as in source.js
//   {type: 'release'}                            closes the decoded file
//   {type: 'measure', key}                       compares the backends, unless another message comes
//   {type: 'tag' | 'embed' | 'find' | 'propose', id, key, image, box}  box: in pixels of the full image, or null; `find` and `propose` have none
// Messages out:
//   {type: 'backend', backend, choice}    choice: {key, known}, key of the remembered backend and true if there is one; null if nothing is remembered
//   {type: 'measured', backend, aborted}  the faster backend, or null if the comparison was aborted or failed
//   {type: 'gpu', busy}                   busy: the time limit of the GPU runs
//   {type: 'progress', id, loaded, total}
//   {type: 'compiled', backend, module}   the wasm module, after a model was loaded
//   {type: 'full'}                        the browser's storage has no room for the weights
//   {type: 'begun', id}                   the image of a call has been read, and its computation begins
//   {type: 'done', id, answer}            answer of each message:
//       load: {backend, modelId, bundle}  bundle: {text, content}, the manifest and the verified weights
//       tag: {tags, groups, statesPrecise, ms}  tags in the bundle's order; groups: {name, kind, drawn} of the labels;
//                                         statesPrecise: the manifest states precise thresholds
//       embed: {values, ms}
//       find: {pieces, person, ms}        pieces: [{class, box, share, score}], largest first; boxes in pixels of the full image
//       propose: {box}                    box: null if there is no salient object
//   {type: 'failed', id, code, message, gpu, fatal}  id: null if the request is unknown; gpu: the request may succeed on the CPU;
//                                         fatal: the worker cannot be used any more

import { throwIfAborted } from './abort.js';
import { describeAdapter, watchDevices } from './adapter.js';
import { requireInside, scaleBox } from './box.js';
import { TaggerError } from './errors.js';
import { decodeAhead, feed, nextTask, openImage, releaseFile } from './strips.js';
import { DownloadError, fetchManifest, fetchOk, fetchWeights } from './weights.js';

/** Number of warm-up runs on the CPU. Browsers optimise the code of a module while it runs. */
const WARM_UP_RUNS = 8;

/** Runs per backend of a comparison, and its longest time, ms. */
const COMPARED_RUNS = 5;
const COMPARISON_TIME = 2_000;

/** Time that a photo which waited for the model takes to arrive, ms. */
const FIRST_PHOTO_DELAY = 50;

/** Largest accepted difference between GPU and CPU, of a probability or of an embedding's value. */
const TOLERANCE = 0.01;

/** Failures that a CPU would repeat. */
const SAME_ON_CPU = ['bundle_invalid', 'input_invalid'];

let options = null; // the message `start`
let backend = null;
let started = null; // promise of the wasm module
let compiled = null; // the compiled wasm module, until it was sent to the page
const models = new Map(); // key → loaded model
let unmeasured = false; // true if WebGPU is used and was not compared with the CPU
let comparison = new AbortController(); // of the comparison that runs
const running = new Map(); // id of a load or call → AbortController
let lastTurn = Promise.resolve(); // settles when the last computation has ended
let waiting = 0; // computations that run or wait

self.addEventListener('message', async ({ data }) => {
  const { type, id = null } = data;
  try {
    if (!['start', 'measure'].includes(type)) comparison.abort();
    if (type === 'start') options = data;
    else if (type === 'measure') await measure(models.get(data.key));
    else if (type === 'cancel') running.get(id)?.abort();
    else if (type === 'unload') await inTurn(() => unload(data.key));
    else if (type === 'release') await inTurn(releaseFile);
    else if (type === 'decode') waiting === 0 && decodeAhead(data.image);
    else if (type === 'load') post({ type: 'done', id, answer: await abortable(id, (signal) => load(data, signal)) });
    else post({ type: 'done', id, answer: await abortable(id, (signal) => inTurn(() => answer(data, signal))) });
  } catch (error) {
    const { fromModule = false } = error;
    const retryOnCpu = fromModule || !(error instanceof DownloadError || error instanceof TaggerError || SAME_ON_CPU.includes(error.name));
    postFailure(id, error.code ?? error.name ?? 'crashed', error.message ?? String(error), retryOnCpu, fromModule);
  }
});

// A panic in the module does not reject a promise.
self.addEventListener('error', (event) => postFailure(null, 'crashed', event.message, true));
self.addEventListener('messageerror', () => postFailure(null, 'crashed', 'a message was unreadable', true));
self.addEventListener('unhandledrejection', (event) => postFailure(null, 'crashed', String(event.reason), true));

/** Runs computations one after the other. */
async function inTurn(work) {
  const before = lastTurn;
  let end;
  lastTurn = new Promise((done) => (end = done));
  waiting++;
  try {
    await before;
    return await work();
  } finally {
    waiting--;
    end();
  }
}

/** Runs work that the message `cancel` aborts. */
async function abortable(id, work) {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    return await work(controller.signal);
  } finally {
    running.delete(id);
  }
}

async function load({ id, model: source, bundle: kept }, signal) {
  const { key, kind, manifestUrl, weightsUrl } = source;
  const manifest = kept ? Promise.resolve(kept) : fetchManifest(new URL(manifestUrl), signal);
  const weights = manifest.then(({ text, content, sha256, bytes }) => {
    if (content) return content;
    const url = weightsUrl ? new URL(weightsUrl.replace('{sha256}', sha256)) : new URL(JSON.parse(text).weights.file, manifestUrl);
    const onProgress = (loaded, total) => post({ type: 'progress', id, loaded, total });
    return fetchWeights({ url, sha256, bytes, signal, onProgress, onFull: () => post({ type: 'full' }) });
  });
  weights.catch(() => {}); // awaited below: an earlier failure is not unhandled

  started ??= start();
  const module = await started;
  const { text } = await manifest;
  const bundle = JSON.parse(text);
  // A module that was passed on keeps its optimised code.
  if (backend === 'cpu' && models.size === 0 && !options.compiled) warmUpInput(module, bundle.input);
  const content = await weights;
  return inTurn(async () => {
    throwIfAborted(signal);
    unload(key);
    const network = backend === 'webgpu' ? await openOnGpu(module, kind, text, content) : await module.Model.load(text, content, backend);
    const model = { kind, network, labels: placesOfLabels(bundle), ...describeGroups(bundle), used: false };
    if (unmeasured && kind === 'tagger') model.bundle = [text, content];
    models.set(key, model);
    if (compiled) post({ type: 'compiled', backend, module: compiled });
    compiled = null;
    if (backend === 'cpu') warmUp(model);
    return { backend: network.backend(), modelId: network.modelId(), ...(!kept && { bundle: { text, content } }) };
  });
}

function unload(key) {
  const model = models.get(key);
  models.delete(key);
  model?.network.dispose();
}

/** Chooses the backend and starts the wasm module. If a copy does not run, fetches it once more and bypasses the HTTP cache. */
async function start() {
  const { remembered, modules } = options;
  const adapter = options.backend === 'auto' ? await withGpuTimer(describeAdapter) : null;
  // The modules of the page have a hash in their URL. The build of the package replaces the last item by a hash.
  const key = JSON.stringify([adapter, navigator.userAgent, modules.webgpu.binary, globalThis.SELVEDGE_MODULES]);
  backend = options.backend !== 'auto' ? options.backend : adapter ? 'webgpu' : 'cpu';
  if (backend === 'webgpu' && remembered?.[key] === 'cpu') backend = 'cpu';
  const choice = adapter && remembered && { key, known: key in remembered };
  unmeasured = choice ? !choice.known : options.unmeasured;
  post({ type: 'backend', backend, choice });
  if (backend === 'webgpu') watchDevices((reason) => postFailure(null, 'device_failed', reason, true));
  const { script, binary } = modules[backend];
  const run = async (mode, scriptUrl) => {
    const module = options.compiled ?? fetchOk(binary, { cache: mode }).then(compile); // in parallel to the script
    Promise.resolve(module).catch(() => {});
    const glue = await import(scriptUrl);
    await glue.default({ module_or_path: await module });
    compiled = options.compiled ? null : await module;
    return glue;
  };
  try {
    return await run('default', script);
  } catch {
    options.compiled = null;
    try {
      await fetchOk(script, { cache: 'reload' });
      return await run('reload', `${script}${script.includes('?') ? '&' : '?'}again`);
    } catch (error) {
      const gone = error.status === 404 || error.status === 410;
      const failure = error instanceof DownloadError ? error : new DownloadError('corrupt', String(error));
      if (gone) failure.code = 'renewed';
      throw Object.assign(failure, { fromModule: true });
    }
  }
}

/** Compiles a wasm module, while it downloads if the server sends the media type of wasm. */
async function compile(response) {
  if (response.headers.get('content-type') === 'application/wasm') return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/**
 * Opens a model on the GPU and compares its output for a test image with the CPU. The test run also compiles the shaders, so
 * the first photo does not wait for that.
 */
async function openOnGpu(module, kind, text, weights) {
  const opened = await withGpuTimer(async () => {
    const network = await module.Model.load(text, weights, 'webgpu');
    return { network, values: await testOutput(network, kind) };
  });
  const reference = await module.Model.load(text, weights, 'cpu');
  const expected = await testOutput(reference, kind);
  reference.dispose();
  const wrong = opened.values.length !== expected.length || opened.values.some((value, at) => !(Math.abs(value - expected[at]) <= TOLERANCE));
  if (wrong) throw Object.assign(new Error('the GPU gives other numbers than the CPU'), { name: 'wrong_answer' });
  return opened.network;
}

/** Compares the backends and reports the faster one. */
async function measure(model) {
  const { signal } = (comparison = new AbortController());
  const faster = await compareBackends(model, signal).catch(() => null);
  post({ type: 'measured', backend: faster, aborted: signal.aborted && !faster });
}

/** Returns the name of the backend with the shortest test run. */
async function compareBackends(model, signal) {
  const until = performance.now() + COMPARISON_TIME;
  const reference = await (await started).Model.load(...model.bundle, 'cpu');
  const best = { webgpu: Infinity, cpu: Infinity };
  try {
    for (let run = 0; run < COMPARED_RUNS && (run === 0 || performance.now() < until); run++) {
      for (const network of [model.network, reference]) {
        await nextTask();
        throwIfAborted(signal);
        const began = performance.now();
        await inTurn(() => testOutput(network, model.kind));
        const name = network.backend();
        best[name] = Math.min(best[name], performance.now() - began);
      }
    }
    model.bundle = null;
    return best.cpu < best.webgpu ? 'cpu' : 'webgpu';
  } finally {
    reference.dispose();
  }
}

/** Runs `work` while the time limit of the GPU runs. */
async function withGpuTimer(work) {
  post({ type: 'gpu', busy: true });
  try {
    return await work();
  } finally {
    post({ type: 'gpu', busy: false });
  }
}

/** Returns a network's output for a test image of 8 × 8 pixels: a gradient in each colour. */
async function testOutput(network, kind) {
  const side = 8;
  const intake = network.intake(side, side);
  intake.push(Uint8Array.from({ length: side * side * 4 }, (_, at) => [32 * (Math.floor(at / 4) % side), 4 * Math.floor(at / 4), 255 - 3 * Math.floor(at / 4), 255][at % 4]));
  if (kind === 'segmenter') return network.shares(intake);
  if (kind === 'encoder') return network.embed(intake);
  const tags = await network.tag(intake);
  const key = ({ group, id }) => `${group}/${id}`; // two groups may have labels of one name
  return tags.sort((a, b) => (key(a) < key(b) ? -1 : 1)).map(({ prob }) => prob);
}

/** Warms up the preparation of images while the weights load. */
function warmUpInput(module, spec) {
  const side = 256;
  const rgba = new Uint8Array(side * side * 4).fill(255);
  for (let run = 0; spec && run < WARM_UP_RUNS; run++) {
    const intake = new module.Intake(JSON.stringify(spec), side, side);
    intake.push(rgba);
    intake.values();
  }
}

/** Warms up a network until its first call comes, while nothing else waits. */
async function warmUp(model) {
  for (let run = 0; run < WARM_UP_RUNS; run++) {
    await new Promise((done) => setTimeout(done, run === 0 ? FIRST_PHOTO_DELAY : 0)); // a waiting photo comes first
    if (model.used) return;
    if (waiting === 0) await inTurn(() => testOutput(model.network, model.kind)).catch(() => {});
  }
}

/** Returns the groups of a bundle's labels, and true if the bundle states precise thresholds, even if it has none for any label. */
function describeGroups({ precise, groups = [] }) {
  return {
    groups: groups.map(({ name, kind, drawn = false }) => ({ name, kind, drawn })),
    statesPrecise: Boolean(precise) || groups.some((group) => group.precise),
  };
}

/** Returns the position of every label in the bundle. The labels of a bundle are those of its groups, one group after the other. */
function placesOfLabels({ labels = [], groups = [] }) {
  const names = groups.flatMap((group) => Array(group.labels).fill(group.name));
  return new Map(labels.map((label, at) => [names.length === labels.length ? `${names[at]}/${label}` : label, at]));
}

/** Computes the answer of a call. An aborted call has an empty one, which nobody reads. */
async function answer({ type, id, key, image, box }, signal) {
  let opened = null;
  try {
    opened = await openImage(image, signal);
    const model = models.get(key);
    model.used = true;
    const began = performance.now();
    const intake = await readInput(type, model, opened, box, signal);
    post({ type: 'begun', id });
    return { ...(await compute(type, model, intake)), ms: performance.now() - began };
  } catch (error) {
    if (signal.aborted) return {};
    throw error;
  } finally {
    opened?.close();
  }
}

/** Reads the pixels of an image that a call needs. */
async function readInput(type, { network }, image, box, signal) {
  const { width, height } = image;
  if (box) requireInside(box, image);
  const crop = box ? JSON.stringify(scaleBox(box, image, image)) : undefined;
  const intake = type === 'propose' ? (await started).Intake.forSubject(width, height) : network.intake(width, height, crop);
  try {
    await feed(intake, image, signal);
    return intake;
  } catch (error) {
    intake.free();
    throw error;
  }
}

async function compute(type, { network, labels, groups, statesPrecise }, intake) {
  if (type === 'tag') {
    const place = (tag) => labels.get(`${tag.group}/${tag.id}`) ?? labels.get(tag.id) ?? labels.size;
    const tags = await network.tag(intake);
    return { tags: tags.sort((a, b) => place(a) - place(b)), groups, statesPrecise };
  }
  if (type === 'embed') return { values: await network.embed(intake) };
  if (type === 'find') {
    const { pieces, person = null } = await network.pieces(intake);
    return { pieces, person };
  }
  return { box: JSON.parse((await started).proposeBox(intake) ?? 'null') };
}

function postFailure(id, code, message, gpu, fatal = false) {
  post({ type: 'failed', id, code, message, gpu: gpu && backend !== 'cpu', fatal });
}

function post(message) {
  self.postMessage(message);
}
