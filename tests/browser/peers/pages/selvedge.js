// @selvedge/tagger, as its README shows it.

import { StyleTagger } from '@selvedge/tagger';

/** Returns `tag(image)`, which resolves to `[{id, prob}]` in the order of the bundle. `image` is a Blob or an ImageBitmap. */
export function open({ backend }) {
  const minutes = 600_000;
  const tagger = new StyleTagger({ manifestUrl: '/models/tagger/bundle.json', backend, loadTimeout: minutes, tagTimeout: minutes, gpuLoadTimeout: minutes, gpuTagTimeout: minutes, idleTimeout: minutes });
  return { tag: async (image) => (await tagger.tag(image)).tags };
}
