// A model's worker: picks the backend, loads module and weights, tags or embeds. The page talks to it through model.js.
//
// In:  {type: 'load', name, backend, api, modules} · {type: 'tag', rgba, width, height} · {type: 'embed', rgba, width, height, crop}
//      {type: 'propose', rgba, width, height}
// Out: {type: 'backend', backend} · {type: 'gpu', busy}   (the GPU is to answer: its time runs) · {type: 'progress', loaded, total}
//      {type: 'ready', backend, modelId} · {type: 'tags', tags, ms} · {type: 'embedding', values, ms}
//      {type: 'box', box}   (box: null where nothing stands out)
//      {type: 'failed', code, message, gpu}   (gpu: another backend could help)

import { hasRealAdapter, watchDevices } from './adapter.js';
import { DownloadError, fetchManifest, fetchWeights, get } from './weights.js';

/** Runs that warm the CPU path up. Browsers optimise a module's code while it runs: the first photo shall not pay for it. */
const WARM_RUNS = 8;

/** How long a photo that waited for the model takes to arrive, ms. */
const FIRST_PHOTO = 50;

/** Largest difference of a probability or of a value of an embedding between the GPU and the CPU. */
const TOLERANCE = 0.01;

let model = null;
let module = null;
let backend = null;
let idle = true; // nobody has asked for anything yet

self.addEventListener('message', async ({ data }) => {
  try {
    if (data.type === 'load') return await load(data);
    idle = false;
    if (data.type === 'tag') await tag(data);
    else if (data.type === 'embed') await embed(data);
    else if (data.type === 'propose') post({ type: 'box', box: JSON.parse(module.proposeBox(data.rgba, data.width, data.height) ?? 'null') });
  } catch (error) {
    const elsewhere = error.ofModule ?? !(error instanceof DownloadError || error.name === 'bundle_invalid');
    fail(error.code ?? error.name ?? 'crashed', error.message ?? String(error), elsewhere);
  }
});

// A panic inside the module ends as an error that no promise carries.
self.addEventListener('error', (event) => fail('crashed', event.message, true));
self.addEventListener('unhandledrejection', (event) => fail('crashed', String(event.reason), true));

async function load({ name, backend: wanted, api, modules }) {
  const manifest = fetchManifest(new URL(name, api));
  const weights = manifest.then(({ sha256, bytes }) => {
    const onProgress = (loaded, total) => post({ type: 'progress', loaded, total });
    return fetchWeights({ url: new URL(`${name}/weights/${sha256}`, api), sha256, bytes, onProgress });
  });
  weights.catch(() => {}); // awaited below; a failure before that isn't an unhandled one

  backend = wanted === 'auto' ? ((await timed(hasRealAdapter)) ? 'webgpu' : 'cpu') : wanted;
  post({ type: 'backend', backend });
  if (backend === 'webgpu') watchDevices((reason) => fail('device_failed', reason, true));
  module = await start(modules);
  const { text } = await manifest;
  if (backend === 'cpu') warmInput(JSON.parse(text).input);

  const content = await weights;
  if (backend === 'webgpu') model = await openOnGpu(name, text, content);
  else model = await module.Model.load(text, content, backend);
  post({ type: 'ready', backend: model.backend(), modelId: model.modelId() });
  if (backend === 'cpu') await warmUp(name);
}

/** Starts the module. A copy that does not run is fetched again past the browser's own cache, once. */
async function start(modules) {
  const script = new URL(`selvedge-${backend}.js`, modules);
  const binary = new URL(`selvedge-${backend}_bg.wasm`, modules);
  const run = async (mode, address) => {
    const response = get(binary, { cache: mode }); // at once, beside the script
    response.catch(() => {});
    const started = await import(address);
    await started.default({ module_or_path: await response });
    return started;
  };
  try {
    return await run('default', script.href);
  } catch {
    try {
      await get(script, { cache: 'reload' });
      return await run('reload', `${script.href}?again`);
    } catch (error) {
      const gone = error.status === 404 || error.status === 410;
      const failure = error instanceof DownloadError ? error : new DownloadError('corrupt', String(error));
      if (gone) failure.code = 'renewed';
      throw Object.assign(failure, { ofModule: true });
    }
  }
}

/**
 * The model on the GPU, if it answers there, and as the CPU does. The first run compiles its shaders: better now than on the
 * visitor's photo.
 */
async function openOnGpu(name, text, weights) {
  const opened = await timed(async () => {
    const model = await module.Model.load(text, weights, 'webgpu');
    return { model, values: await known(model, name) };
  });
  const reference = await module.Model.load(text, weights, 'cpu');
  const expected = await known(reference, name);
  reference.dispose();
  const wrong = opened.values.length !== expected.length || opened.values.some((value, at) => !(Math.abs(value - expected[at]) <= TOLERANCE));
  if (wrong) throw Object.assign(new Error('the GPU gives other numbers than the CPU'), { name: 'wrong_answer' });
  return opened.model;
}

/** Runs what the GPU has to do; meanwhile its time runs. */
async function timed(work) {
  post({ type: 'gpu', busy: true });
  try {
    return await work();
  } finally {
    post({ type: 'gpu', busy: false });
  }
}

/** A model's answer to a small drawn picture: a gradient in each colour. */
async function known(model, name) {
  const side = 8;
  const rgba = Uint8Array.from({ length: side * side * 4 }, (_, at) => [32 * (Math.floor(at / 4) % side), 4 * Math.floor(at / 4), 255 - 3 * Math.floor(at / 4), 255][at % 4]);
  if (name !== 'tagger') return model.embed(rgba, side, side);
  const tags = await model.tag(rgba, side, side);
  return tags.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ prob }) => prob);
}

/** Prepares made-up pictures while the weights are on their way. */
function warmInput(spec) {
  const side = 256;
  const rgba = new Uint8Array(side * side * 4).fill(255);
  for (let run = 0; spec && module.prepare && run < WARM_RUNS; run++) module.prepare(JSON.stringify(spec), rgba, side, side, 4);
}

/** Runs the network for nothing until somebody asks for something. */
async function warmUp(name) {
  for (let run = 0; run < WARM_RUNS; run++) {
    await new Promise((done) => setTimeout(done, run === 0 ? FIRST_PHOTO : 0)); // a waiting photo comes first
    if (!idle) return;
    await known(model, name).catch(() => {});
  }
}

async function tag({ rgba, width, height }) {
  const from = performance.now();
  const tags = await model.tag(rgba, width, height);
  post({ type: 'tags', tags, ms: performance.now() - from });
}

async function embed({ rgba, width, height, crop }) {
  const from = performance.now();
  const values = await model.embed(rgba, width, height, crop ? JSON.stringify(crop) : undefined);
  post({ type: 'embedding', values, ms: performance.now() - from });
}

function fail(code, message, gpu) {
  post({ type: 'failed', code, message, gpu: gpu && backend !== 'cpu' });
}

function post(message) {
  self.postMessage(message);
}
