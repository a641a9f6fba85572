// Worker of a model: chooses the backend, loads module and weights, tags, embeds and finds pieces. The page uses it through
// model.js.
//
// Messages in:
//   {type: 'load', name, backend, api, modules}
//   {type: 'tag', rgba, width, height}
//   {type: 'embed', rgba, width, height, crop}
//   {type: 'propose', rgba, width, height}
//   {type: 'find', rgba, width, height}
// Messages out:
//   {type: 'backend', backend}
//   {type: 'gpu', busy}                   busy: the time limit of the GPU runs
//   {type: 'progress', loaded, total}
//   {type: 'ready', backend, modelId}
//   {type: 'tags', tags, groups, statesPrecise, ms}  groups: {name, kind, drawn} of the labels; statesPrecise: the manifest states
//                                         precise thresholds
//   {type: 'embedding', values, ms}
//   {type: 'box', box}                    box: null if there is no salient object
//   {type: 'pieces', pieces, person, ms}  pieces: [{class, box, share, score}], largest first
//   {type: 'failed', code, message, gpu}  gpu: the call may succeed on the CPU

import { hasRealAdapter, watchDevices } from './adapter.js';
import { DownloadError, fetchManifest, fetchOk, fetchWeights } from './weights.js';

/** Number of warm-up runs on the CPU. Browsers optimise the code of a module while it runs. */
const WARM_UP_RUNS = 8;

/** Time that a photo which waited for the model takes to arrive, ms. */
const FIRST_PHOTO_DELAY = 50;

/** Largest accepted difference between GPU and CPU, of a probability or of an embedding's value. */
const TOLERANCE = 0.01;

let model = null;
let module = null;
let backend = null;
let groups = []; // groups of the tagger's labels
let statesPrecise = false; // true if the manifest states precise thresholds, even if it has none for any label
let idle = true; // true until the first call after `load`

self.addEventListener('message', async ({ data }) => {
  try {
    if (data.type === 'load') return await load(data);
    idle = false;
    if (data.type === 'tag') await tag(data);
    else if (data.type === 'embed') await embed(data);
    else if (data.type === 'find') await find(data);
    else if (data.type === 'propose') post({ type: 'box', box: JSON.parse(module.proposeBox(data.rgba, data.width, data.height) ?? 'null') });
  } catch (error) {
    const retryOnCpu = error.fromModule ?? !(error instanceof DownloadError || error.name === 'bundle_invalid');
    postFailure(error.code ?? error.name ?? 'crashed', error.message ?? String(error), retryOnCpu);
  }
});

// A panic in the module does not reject a promise.
self.addEventListener('error', (event) => postFailure('crashed', event.message, true));
self.addEventListener('unhandledrejection', (event) => postFailure('crashed', String(event.reason), true));

async function load({ name, backend: wanted, api, modules }) {
  const manifest = fetchManifest(new URL(name, api));
  const weights = manifest.then(({ sha256, bytes }) => {
    const onProgress = (loaded, total) => post({ type: 'progress', loaded, total });
    return fetchWeights({ url: new URL(`${name}/weights/${sha256}`, api), sha256, bytes, onProgress });
  });
  weights.catch(() => {}); // awaited below: an earlier failure is not unhandled

  backend = wanted === 'auto' ? ((await withGpuTimer(hasRealAdapter)) ? 'webgpu' : 'cpu') : wanted;
  post({ type: 'backend', backend });
  if (backend === 'webgpu') watchDevices((reason) => postFailure('device_failed', reason, true));
  module = await startModule(modules);
  const { text } = await manifest;
  const { input, precise, groups: named = [] } = JSON.parse(text);
  groups = named.map(({ name, kind, drawn = false }) => ({ name, kind, drawn }));
  statesPrecise = Boolean(precise) || named.some((group) => group.precise);
  if (backend === 'cpu') warmUpInput(input);

  const content = await weights;
  if (backend === 'webgpu') model = await openOnGpu(name, text, content);
  else model = await module.Model.load(text, content, backend);
  post({ type: 'ready', backend: model.backend(), modelId: model.modelId() });
  if (backend === 'cpu') await warmUp(name);
}

/** Starts the wasm module. If a copy does not run, fetches it once more and bypasses the HTTP cache. */
async function startModule(modules) {
  const script = new URL(`selvedge-${backend}.js`, modules);
  const binary = new URL(`selvedge-${backend}_bg.wasm`, modules);
  const run = async (mode, scriptUrl) => {
    const response = fetchOk(binary, { cache: mode }); // in parallel to the script
    response.catch(() => {});
    const started = await import(scriptUrl);
    await started.default({ module_or_path: await response });
    return started;
  };
  try {
    return await run('default', script.href);
  } catch {
    try {
      await fetchOk(script, { cache: 'reload' });
      return await run('reload', `${script.href}?again`);
    } catch (error) {
      const gone = error.status === 404 || error.status === 410;
      const failure = error instanceof DownloadError ? error : new DownloadError('corrupt', String(error));
      if (gone) failure.code = 'renewed';
      throw Object.assign(failure, { fromModule: true });
    }
  }
}

/**
 * Opens the model on the GPU and compares its output for a test image with the CPU. The test run also compiles the shaders,
 * so the first photo does not wait for that.
 */
async function openOnGpu(name, text, weights) {
  const opened = await withGpuTimer(async () => {
    const model = await module.Model.load(text, weights, 'webgpu');
    return { model, values: await testOutput(model, name) };
  });
  const reference = await module.Model.load(text, weights, 'cpu');
  const expected = await testOutput(reference, name);
  reference.dispose();
  const wrong = opened.values.length !== expected.length || opened.values.some((value, at) => !(Math.abs(value - expected[at]) <= TOLERANCE));
  if (wrong) throw Object.assign(new Error('the GPU gives other numbers than the CPU'), { name: 'wrong_answer' });
  return opened.model;
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

/** Returns a model's output for a test image of 8 × 8 pixels: a gradient in each colour. */
async function testOutput(model, name) {
  const side = 8;
  const rgba = Uint8Array.from({ length: side * side * 4 }, (_, at) => [32 * (Math.floor(at / 4) % side), 4 * Math.floor(at / 4), 255 - 3 * Math.floor(at / 4), 255][at % 4]);
  if (name === 'segmenter') return model.shares(rgba, side, side);
  if (name !== 'tagger') return model.embed(rgba, side, side);
  const tags = await model.tag(rgba, side, side);
  const key = ({ group, id }) => `${group}/${id}`; // two groups may have labels of one name
  return tags.sort((a, b) => (key(a) < key(b) ? -1 : 1)).map(({ prob }) => prob);
}

/** Warms up the preparation of images while the weights load. */
function warmUpInput(spec) {
  const side = 256;
  const rgba = new Uint8Array(side * side * 4).fill(255);
  for (let run = 0; spec && module.prepare && run < WARM_UP_RUNS; run++) module.prepare(JSON.stringify(spec), rgba, side, side, 4);
}

/** Warms up the network until the first call comes. */
async function warmUp(name) {
  for (let run = 0; run < WARM_UP_RUNS; run++) {
    await new Promise((done) => setTimeout(done, run === 0 ? FIRST_PHOTO_DELAY : 0)); // a waiting photo comes first
    if (!idle) return;
    await testOutput(model, name).catch(() => {});
  }
}

async function tag({ rgba, width, height }) {
  const start = performance.now();
  const tags = await model.tag(rgba, width, height);
  post({ type: 'tags', tags, groups, statesPrecise, ms: performance.now() - start });
}

async function embed({ rgba, width, height, crop }) {
  const start = performance.now();
  const values = await model.embed(rgba, width, height, crop ? JSON.stringify(crop) : undefined);
  post({ type: 'embedding', values, ms: performance.now() - start });
}

async function find({ rgba, width, height }) {
  const start = performance.now();
  const { pieces, person = null } = await model.pieces(rgba, width, height);
  post({ type: 'pieces', pieces, person, ms: performance.now() - start });
}

function postFailure(code, message, gpu) {
  post({ type: 'failed', code, message, gpu: gpu && backend !== 'cpu' });
}

function post(message) {
  self.postMessage(message);
}
