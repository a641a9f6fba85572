// Helpers for DOM elements. Elements are built without markup strings, so text from a server can never become code.

/**
 * Makes an element. `props` are set as properties if the element has them, `on…` adds listeners, all others become
 * attributes. `children` are nodes or strings. Null, undefined and false are left out.
 */
export function el(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'class') element.className = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.includes('-')) element[key] = value;
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Returns the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Announces a text to screen readers without moving the focus. */
export function announce(text) {
  byId('live').textContent = text;
}
