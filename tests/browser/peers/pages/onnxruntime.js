// onnxruntime-web, with one thread and with its files on the page's own server.

import * as ort from 'onnxruntime-web';
import { decode, draw, planes, tags } from './photo.js';

/** Opens the session of the file with the precision `stored`, or f32. `run(input)` computes logits from `[3, height, width]`; `tag` is as in selvedge.js. */
export function open({ backend, size, stored }) {
  const wasm = backend === 'webgpu' ? 'ort-wasm-simd-threaded.asyncify.wasm' : 'ort-wasm-simd-threaded.wasm';
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: `/modules/onnxruntime-web/dist/${wasm}` };
  const loading = ort.InferenceSession.create(`/models/peers/model${stored ? `_${stored}` : ''}.onnx`, { executionProviders: [backend === 'webgpu' ? 'webgpu' : 'wasm'] });
  const run = async (input) => {
    const session = await loading;
    const feeds = { pixel_values: new ort.Tensor('float32', input, [1, 3, size.height, size.width]) };
    const { logits } = await session.run(feeds);
    return logits.getData();
  };
  const tag = async (image) => {
    const [decoded] = await Promise.all([decode(image), loading]);
    return tags(await run(planes(draw(decoded, size))));
  };
  return { ready: loading, run, tag };
}
