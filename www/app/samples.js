// Buttons with the shop's sample photos.

import { downloadImage, fetchSamples, imageUrl } from './api.js';
import { byId, el } from './dom.js';
import { localised, t } from './i18n.js';

let samples = null; // null until they have been loaded; index.html has placeholders

/**
 * Loads the samples and shows them, if there are any.
 * @param {(photo: Promise<Blob>) => void} onPhoto called with the sample that the visitor chooses
 */
export async function showSamples(onPhoto) {
  samples = (await fetchSamples().catch(() => null)) ?? []; // the page works without samples
  drawSamples(onPhoto);
}

/** Draws the samples again, in the current language. */
export function drawSamples(onPhoto) {
  if (!samples) return;
  byId('samples').hidden = samples.length === 0;
  byId('sample-list').replaceChildren(
    ...samples.map((sample, index) => {
      const alt = localised(sample.alt) || t('samples.alt', { n: index + 1 });
      const image = el('img', { src: imageUrl(sample.image), alt: '', width: 96, height: 120, loading: 'lazy', decoding: 'async' });
      return el('li', {}, el('button', { type: 'button', class: 'sample', 'aria-label': alt, onclick: () => onPhoto(downloadImage(sample.image)) }, image));
    }),
  );
}
