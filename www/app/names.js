// Names of a product's fields and of their values, for filters, details and comparisons.

import { hasText, readable, t, term } from './i18n.js';

const attributeOf = (field) => (field.startsWith('attributes.') ? field.slice('attributes.'.length) : null);

/** Returns the name of a field in the shown language. A name of the shop is shown as the shop wrote it. */
export function fieldName(field) {
  const attribute = attributeOf(field);
  if (attribute === null) return t(`product.${field}`);
  if (attribute === 'styles') return t('product.styles');
  return hasText(`attribute.${attribute}`) ? t(`attribute.${attribute}`) : readable(attribute);
}

/** Returns the name of a value of a field in the shown language. A value of the shop is shown as the shop wrote it. */
export function valueName(field, value) {
  if (typeof value === 'boolean') return t(value ? 'value.yes' : 'value.no');
  const attribute = attributeOf(field);
  if (field === 'availability') return term('availability', value);
  if (attribute === 'styles') return term('label', value);
  const key = `${attribute === 'color' ? 'colour' : (attribute ?? field)}.${value}`;
  if (hasText(key)) return t(key);
  if (value === 'none' && attribute !== null) return t('value.none');
  return attribute !== null && /^[a-z]+(_[a-z]+)*$/.test(value) ? readable(value) : value;
}

/** True if a product's details show an attribute. Names like `third_colour` without a text are for the shop's own use. */
export const isShownAttribute = (name) => hasText(`attribute.${name}`) || !/^[a-z0-9_]+$/.test(name);
