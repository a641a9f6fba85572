// Time of the network alone, on equal inputs, in one page. The libraries take turns.

import startSelvedge, { Model, prepare } from '@selvedge/tagger/wasm';
import { open as openLite } from './litert.js';
import { open as openOnnx } from './onnxruntime.js';
import { open as openTransformers } from './transformers.js';

/**
 * Runs all libraries in turns.
 * @param {{rgba: number[], size: {width: number, height: number}, warmUp: number, rounds: number}} how `rgba` has the input's size
 * @returns {Promise<{times: Record<string, number[]>, outputs: Record<string, number[]>}>} ms per round; logits, or our tags
 */
export async function compare({ rgba: values, size, warmUp, rounds }) {
  const rgba = Uint8Array.from(values);
  const manifest = await (await fetch('/models/tagger/bundle.json')).text();
  const weights = new Uint8Array(await (await fetch('/models/tagger/weights.safetensors')).arrayBuffer());
  await startSelvedge();
  const model = await Model.load(manifest, weights, 'cpu');
  const spec = JSON.stringify(JSON.parse(manifest).input);
  const input = prepare(spec, rgba, size.width, size.height, 4, undefined);
  const last = new Float32Array(input.length); // [height, width, 3]
  const count = input.length / 3;
  for (let at = 0; at < input.length; at++) last[3 * (at % count) + Math.floor(at / count)] = input[at];

  const libraries = { 'onnxruntime-web': openOnnx({ backend: 'cpu', size }), 'onnxruntime-web, f32 file': openOnnx({ backend: 'cpu', size, model: 'model' }), 'transformers.js': openTransformers({ backend: 'cpu', size }), 'LiteRT.js': openLite({ backend: 'cpu', size }) };
  for (const { ready } of Object.values(libraries)) await ready;
  const runs = {
    'selvedge tag': () => model.tag(rgba, size.width, size.height),
    'selvedge prepare': () => prepare(spec, rgba, size.width, size.height, 4, undefined),
    ...Object.fromEntries(Object.entries(libraries).map(([name, { run }]) => [name, () => run(name === 'LiteRT.js' ? last : input)])),
  };
  const names = Object.keys(runs);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const outputs = {};
  for (let round = -warmUp; round < rounds; round++) {
    for (let at = 0; at < names.length; at++) {
      const name = names[(at + round + warmUp) % names.length];
      const start = performance.now();
      const output = await runs[name]();
      if (round >= 0) times[name].push(performance.now() - start);
      outputs[name] = typeof output[0] === 'number' ? Array.from(output) : output;
    }
  }
  return { times, outputs };
}
