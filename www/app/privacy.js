// The sentence on what of the photo leaves this device: one state, said alike by the hint at the search, the note over
// the results and the footer.

import { byId } from './dom.js';
import { t } from './i18n.js';

const ORDER = [null, 'maybe', 'part', 'whole'];

let photo = null; // the last one shown
let stays = false;

/** From now on the sentence is about this photo. */
export function speakOf(next) {
  photo = next;
  drawPrivacy();
}

/** This device describes photos for the search itself, so none has to be sent. */
export function photosStay() {
  stays = true;
  drawPrivacy();
}

/**
 * Takes down that a photo was sent; what was said of it before is never taken back.
 * @param {import('./photo.js').Photo} of
 * @param {'maybe'|'part'|'whole'} much `maybe`: begun, and nobody knows how much arrived
 */
export function sent(of, much) {
  if (ORDER.indexOf(much) > ORDER.indexOf(of.sent)) of.sent = much;
  drawPrivacy();
}

/** Says it in every place, in the language of now. */
export function drawPrivacy() {
  const words = t(`privacy.${photo?.sent ?? (stays ? 'stays' : 'asks')}`);
  byId('find-hint').textContent = words;
  byId('foot').textContent = t('foot', { privacy: words });
  const note = byId('results-privacy');
  if (note) note.textContent = photo?.sent ? words : stays ? t('privacy.stayed') : '';
}
