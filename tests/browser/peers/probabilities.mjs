// Probabilities of the labels: from the native program, from tags and from logits.

import { nativeTags } from '../lib/places.mjs';
import { manifest } from './libraries.mjs';

/** Probabilities of the native program for an image file, in the order of the labels. */
export const nativeProbabilities = async (file) => tagged(await nativeTags(file));

/** Groups of the labels: `[{name, from, to, kind, calibration}]`. */
function groups() {
  let from = 0;
  return manifest().groups.map((group) => ({ ...group, from, to: (from += group.labels) }));
}

/** Probabilities of tags, in the order of the labels. */
export function tagged(tags) {
  const { labels } = manifest();
  const prob = new Map(tags.map(({ group, id, prob: value }) => [`${group}/${id}`, value]));
  return groups().flatMap(({ name, from, to }) => labels.slice(from, to).map((id) => prob.get(`${name}/${id}`)));
}

/** Probabilities of logits with the calibration of the bundle. */
export function calibrate(logits) {
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  return groups().flatMap(({ kind, from, to, calibration }) => {
    const own = logits.slice(from, to);
    if (kind === 'one') {
      const powers = own.map((logit) => Math.exp(logit / (calibration?.temperature ?? 1)));
      const sum = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / sum);
    }
    return own.map((logit, at) => sigmoid(calibration ? calibration.labels[at].scale * logit + calibration.labels[at].bias : logit));
  });
}

/** Largest difference of two lists. */
export const difference = (a, b) => Math.max(...a.map((value, at) => Math.abs(value - b[at])));
