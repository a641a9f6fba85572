// transformers.js. It knows EfficientNet with an image classifier, whose input is `pixel_values` and whose output is `logits`.
// Its pipeline `image-classification` computes a softmax over all labels, so this page computes the probabilities itself.

import { AutoModelForImageClassification, env, Tensor } from '@huggingface/transformers';
import { decode, draw, planes, tags } from './photo.js';

/** As in onnxruntime.js. */
export function open({ backend, size, stored }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/models/';
  env.backends.onnx.wasm.numThreads = 1;
  const file = '/modules/transformers-onnxruntime/ort-wasm-simd-threaded.asyncify';
  env.backends.onnx.wasm.wasmPaths = { mjs: `${file}.mjs`, wasm: `${file}.wasm` };
  // On WebGPU it takes an f16 file only if the adapter has shader-f16, although the computation is in f32.
  const dtype = backend === 'webgpu' && stored === 'fp16' ? 'fp32' : stored;
  const loading = AutoModelForImageClassification.from_pretrained('peers', { device: backend === 'webgpu' ? 'webgpu' : 'wasm', dtype });
  const run = async (input) => {
    const model = await loading;
    const { logits } = await model({ pixel_values: new Tensor('float32', input, [1, 3, size.height, size.width]) });
    return logits.data;
  };
  const tag = async (image) => {
    const [decoded] = await Promise.all([decode(image), loading]);
    return tags(await run(planes(draw(decoded, size))));
  };
  return { ready: loading, run, tag };
}
