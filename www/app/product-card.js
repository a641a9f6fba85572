// Parts of a product that several views show: its image, its price and its actions.

import { imageSet, imageUrl } from './api.js';
import { el } from './dom.js';
import { localised, t } from './i18n.js';
import { icon } from './icons.js';

/** Actions on products. Dispatches the CustomEvents `like`, `unlike` and `compare`; their `detail` is the product. */
export const productActions = new EventTarget();

/** Widths of the images on the page, for the choice among the sizes of the service. */
const SIZES = {
  card: '(min-width: 150rem) 20rem, (min-width: 64rem) 14rem, (min-width: 44rem) 22vw, 45vw',
  dialog: '(min-width: 44rem) 32rem, 94vw',
  half: '(min-width: 44rem) 26rem, 46vw',
  chip: '3rem',
};

/**
 * Makes the image of a product, or a placeholder if the image is missing or does not load.
 * @param {object} product
 * @param {'card'|'dialog'|'half'|'chip'} place
 * @param {string} alt
 */
export function productImage(product, place, alt = '') {
  const frame = el('div', { class: 'picture' });
  const showPlaceholder = () => frame.replaceChildren(el('span', { class: 'absent' }, icon('picture'), place !== 'chip' && t('product.no_image')));
  if (typeof product.image !== 'string' || product.image === '') {
    showPlaceholder();
    return frame;
  }
  const srcset = imageSet(product.image);
  frame.append(el('img', { alt, loading: 'lazy', decoding: 'async', width: 640, height: 640, sizes: srcset && SIZES[place], srcset, onerror: showPlaceholder, src: imageUrl(product.image) }));
  return frame;
}

/** Returns the name of a product in the shown language, or its id. */
export const productName = (product) => localised(product.name) || product.id;

/**
 * Makes a button for an action on a product.
 * @param {'like'|'unlike'|'compare'} action
 * @param {object} product
 * @param {object} props further properties of the button
 * @param {...(Node|string)} content content of the button, by default the name of the action
 */
export function actionButton(action, product, props = {}, ...content) {
  const name = t(`action.${action}`);
  const onclick = () => productActions.dispatchEvent(new CustomEvent(action, { detail: product }));
  const label = t('action.of', { action: name, name: productName(product) });
  return el('button', { type: 'button', 'data-action': action, 'aria-label': label, title: content.length > 0 ? name : null, onclick, ...props }, ...(content.length > 0 ? content : [name]));
}
