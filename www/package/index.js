// Public items of the package @selvedge/tagger.

export { ERROR_CODES, TaggerError } from '../app/errors.js';
export { Photo } from '../app/photo.js';
export { StyleTagger } from '../app/tagger.js';
