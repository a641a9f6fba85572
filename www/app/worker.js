// A model's worker: picks the backend, loads module and weights, tags or embeds. The page talks to it through model.js.
//
// In:  {type: 'load', name, backend, api, modules} · {type: 'tag', rgba, width, height} · {type: 'embed', rgba, width, height, crop}
//      {type: 'propose', rgba, width, height}
// Out: {type: 'backend', backend} · {type: 'progress', loaded, total} · {type: 'ready', backend, modelId}
//      {type: 'tags', tags, ms} · {type: 'embedding', values, ms} · {type: 'box', box}   (box: null where nothing stands out)
//      {type: 'failed', code, message, gpu}   (gpu: another backend could help)

import { hasRealAdapter, watchDevices } from './adapter.js';
import { fetchManifest, fetchWeights, WeightsError } from './weights.js';

let model = null;
let module = null;
let backend = null;

self.addEventListener('message', async ({ data }) => {
  try {
    if (data.type === 'load') await load(data);
    else if (data.type === 'tag') await tag(data);
    else if (data.type === 'embed') await embed(data);
    else if (data.type === 'propose') post({ type: 'box', box: JSON.parse(module.proposeBox(data.rgba, data.width, data.height) ?? 'null') });
  } catch (error) {
    fail(error.code ?? error.name ?? 'crashed', error.message ?? String(error), !(error instanceof WeightsError) && error.name !== 'bundle_invalid');
  }
});

// A panic inside the module ends as an error that no promise carries.
self.addEventListener('error', (event) => fail('crashed', event.message, true));
self.addEventListener('unhandledrejection', (event) => fail('crashed', String(event.reason), true));

async function load({ name, backend: wanted, api, modules }) {
  const manifest = fetchManifest(new URL(name, api));
  manifest.catch(() => {}); // awaited below; a failure before that isn't an unhandled one
  backend = wanted === 'auto' ? ((await hasRealAdapter()) ? 'webgpu' : 'cpu') : wanted;
  post({ type: 'backend', backend });
  if (backend === 'webgpu') watchDevices((reason) => fail('device_failed', reason, true));

  const { text, sha256, bytes } = await manifest;
  const url = new URL(`${name}/weights/${sha256}`, api);
  const onProgress = (loaded, total) => post({ type: 'progress', loaded, total });
  const [started, weights] = await Promise.all([start(modules), fetchWeights({ url, sha256, bytes, onProgress })]);
  module = started;

  model = await module.Model.load(text, weights, backend);
  // The first run on a GPU compiles its shaders: better now than on the visitor's photo.
  if (backend === 'webgpu') {
    const grey = [new Uint8Array(8 * 8 * 4).fill(127), 8, 8];
    await (name === 'tagger' ? model.tag(...grey) : model.embed(...grey));
  }
  post({ type: 'ready', backend: model.backend(), modelId: model.modelId() });
}

async function start(modules) {
  const started = await import(new URL(`selvedge-${backend}.js`, modules).href);
  await started.default();
  return started;
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
