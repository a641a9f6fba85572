// Texts of failed requests.

import { el } from './dom.js';
import { currentLanguage, joinSentences, t } from './i18n.js';

/** Problem codes that have a text. For other codes the page shows the detail of the service. */
const KNOWN_CODES = new Set([
  'not_an_image', 'unsupported_image', 'image_truncated', 'image_too_large', 'payload_too_large', 'invalid_crop',
  'unknown_category', 'unknown_product', 'invalid_filter', 'invalid_embedding', 'not_found', 'wrong_model', 'overloaded', 'starting', 'shutting_down', 'deadline_exceeded', 'internal',
  'unreachable', 'offline', 'timeout', 'unexpected',
]);

/** Returns the text of a problem in the current language, with advice. */
export function problemText({ code, retryAfter = null }) {
  const text = t(KNOWN_CODES.has(code) ? `problem.${code}` : 'problem.other');
  return retryAfter ? joinSentences([text, t('problem.wait', { n: retryAfter })]) : text;
}

/**
 * Makes the notice of a failure with its next steps. The details of the service are in English: the notice leaves them out in
 * other languages if it has a text of its own.
 * @param {{code: string, message?: string, status?: number, retryAfter?: number|null}} problem
 * @param {...(Node|string|null)} steps
 */
export function problemNotice(problem, ...steps) {
  const detail = problem.status >= 400 && (currentLanguage() === 'en' || !KNOWN_CODES.has(problem.code)) && problem.message;
  return el(
    'div',
    { class: 'notice error', role: 'alert' },
    el('p', {}, problemText(problem)),
    detail && el('p', { class: 'detail' }, t('problem.detail'), el('span', { lang: 'en' }, detail)),
    ...steps,
  );
}
