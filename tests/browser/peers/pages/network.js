// Time of the network alone, on equal inputs, in one page. The libraries take turns.

import startSelvedge, { Intake, Model } from '@selvedge/tagger/wasm';
import { open as openLite } from './litert.js';
import { open as openOnnx } from './onnxruntime.js';
import { open as openTransformers } from './transformers.js';

/**
 * Runs all libraries in turns. The inputs are prepared before the time begins.
 * @param {{rgba: number[], size: {width: number, height: number}, stored: string, warmUp: number, rounds: number}} how `rgba` has the
 *   input's size, `stored` is the precision of the weights in files
 * @returns {Promise<{times: Record<string, number[]>, outputs: Record<string, number[]>}>} ms per round; logits, or our tags
 */
export async function compare({ rgba: values, size, stored, warmUp, rounds }) {
  const rgba = Uint8Array.from(values);
  const manifest = await (await fetch('/models/tagger/bundle.json')).text();
  const { input: spec, weights } = JSON.parse(manifest);
  await startSelvedge();
  const model = await Model.load(manifest, new Uint8Array(await (await fetch(`/models/tagger/${weights.file}`)).arrayBuffer()), 'cpu');
  const pushed = (intake) => {
    intake.push(rgba);
    return intake;
  };
  const input = pushed(new Intake(JSON.stringify(spec), size.width, size.height, undefined)).values();
  const last = new Float32Array(input.length); // [height, width, 3]
  const count = input.length / 3;
  for (let at = 0; at < input.length; at++) last[3 * (at % count) + Math.floor(at / count)] = input[at];

  const how = { backend: 'cpu', size, stored };
  const libraries = {
    '@selvedge/tagger': { ready: null, prepare: () => pushed(model.intake(size.width, size.height, undefined)), run: (intake) => model.tag(intake) },
    'onnxruntime-web': openOnnx(how),
    'onnxruntime-web, f32 file': openOnnx({ ...how, stored: null }),
    'transformers.js': openTransformers(how),
    'LiteRT.js': { ...openLite(how), prepare: () => last },
  };
  for (const { ready } of Object.values(libraries)) await ready;
  const names = Object.keys(libraries);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const outputs = {};
  for (let round = -warmUp; round < rounds; round++) {
    for (let at = 0; at < names.length; at++) {
      const name = names[(at + round + warmUp) % names.length];
      const { prepare, run } = libraries[name];
      const prepared = prepare?.() ?? input;
      const start = performance.now();
      const output = await run(prepared);
      if (round >= 0) times[name].push(performance.now() - start);
      outputs[name] = Array.from(output);
    }
  }
  return { times, outputs };
}
