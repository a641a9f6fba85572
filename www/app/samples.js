// The shop's sample photos: one button each.

import { download, picture, samples } from './api.js';
import { byId, el } from './dom.js';
import { pick, t } from './i18n.js';

let offered = [];

/**
 * Loads the samples and shows them; a shop without any shows nothing.
 * @param {(photo: Promise<Blob>) => void} take
 */
export async function showSamples(take) {
  offered = (await samples()) ?? [];
  drawSamples(take);
}

/** Draws the samples again, in the language of now. */
export function drawSamples(take) {
  byId('samples').hidden = offered.length === 0;
  byId('sample-list').replaceChildren(
    ...offered.map((sample, index) => {
      const alt = pick(sample.alt) || t('samples.alt', { n: index + 1 });
      const image = el('img', { src: picture(sample.image), alt: '', width: 96, height: 120, loading: 'lazy', decoding: 'async' });
      return el('li', {}, el('button', { type: 'button', class: 'sample', 'aria-label': alt, onclick: () => take(download(sample.image)) }, image));
    }),
  );
}
