// LiteRT.js, with one thread and with its files on the page's own server.

import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { decode, draw, pixels, tags } from './photo.js';

/** As in onnxruntime.js, but `run` takes `[height, width, 3]`. */
export function open({ backend, size }) {
  const accelerator = backend === 'webgpu' ? 'webgpu' : 'wasm';
  const loading = loadLiteRt('/modules/@litertjs/core/wasm/').then(() => loadAndCompile('/models/peers/model.tflite', { accelerator }));
  const run = async (input) => {
    const model = await loading;
    const tensor = new Tensor(input, [1, size.height, size.width, 3]);
    const [answer] = await model.run(tensor);
    tensor.delete();
    const values = (await answer.data()).slice();
    answer.delete();
    return values;
  };
  const tag = async (image) => {
    const [decoded] = await Promise.all([decode(image), loading]);
    return tags(await run(pixels(draw(decoded, size))));
  };
  return { ready: loading, run, tag };
}
