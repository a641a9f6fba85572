// Sentence on the parts of the photo that leave this device. The search panel, the results, the footer and the privacy panel
// show it.
//
// **Invariant:** all places state the same, and a statement that something was sent is never withdrawn.

import { byId } from './dom.js';
import { formatBytes, t } from './i18n.js';
import { drawPanel } from './panel.js';
import { trafficCounts } from './traffic.js';

/** Values of `Photo.sent`, in ascending order. */
const AMOUNTS = [null, 'maybe', 'part', 'whole'];

let photo = null; // the last photo shown
let photosStay = false;

/** Sets the photo that the sentence is about. */
export function setPrivacyPhoto(shown) {
  photo = shown;
  drawPrivacy();
}

/** States that this device computes embeddings, so no photo has to be sent. */
export function confirmPhotosStay() {
  photosStay = true;
  drawPrivacy();
}

/**
 * Records that a photo was sent. A smaller amount never replaces a larger one.
 * @param {import('./photo.js').Photo} sentPhoto
 * @param {'maybe'|'part'|'whole'} amount `maybe`: the upload has begun, and how much has arrived is unknown
 */
export function recordSent(sentPhoto, amount) {
  if (AMOUNTS.indexOf(amount) > AMOUNTS.indexOf(sentPhoto.sent)) sentPhoto.sent = amount;
  drawPrivacy();
}

/** Returns the sentence in the current language. */
export const privacyText = () => t(`privacy.${photo?.sent ?? (photosStay ? 'stays' : 'asks')}`);

/** Draws the sentence and the counted bytes in all places, in the current language. */
export function drawPrivacy() {
  const text = privacyText();
  const bytes = Object.values(trafficCounts()).reduce((sum, kind) => sum + kind.bytes, 0);
  byId('open-privacy').textContent = t('panel.open', { bytes: formatBytes(bytes) });
  drawPanel('privacy');
  byId('find-hint').textContent = text;
  byId('foot-privacy').textContent = text;
  const note = byId('results-privacy');
  if (note) note.textContent = photo?.sent ? text : photosStay ? t('privacy.stayed') : '';
}
