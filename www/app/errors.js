// Errors of the tagger. Every failure has one of these codes.

/** Codes of a TaggerError. The declarations of the package explain each of them. */
export const ERROR_CODES = Object.freeze([
  // download
  'absent', 'unreachable', 'unexpected', 'corrupt', 'renewed',
  // model and device
  'bundle_invalid', 'backend_missing', 'backend_unknown', 'device_failed', 'wrong_answer', 'inference_failed', 'crashed', 'timeout', 'worker_failed', 'disposed',
  // photo
  'not_an_image', 'unreadable', 'heic', 'too_large', 'memory', 'input_invalid', 'cross_origin', 'pixels_hidden',
]);

/** Failure of the tagger. */
export class TaggerError extends Error {
  /**
   * @param {string} code one of ERROR_CODES; any other code becomes `crashed`
   * @param {string} message
   * @param {{cause?: unknown, retry?: boolean}} [more] `retry`: the call may succeed in a new worker; callers never see it set
   */
  constructor(code, message, { cause, retry = false } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TaggerError';
    this.code = ERROR_CODES.includes(code) ? code : 'crashed';
    this.retry = retry;
  }
}
