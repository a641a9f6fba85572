// Building elements without markup strings: text is always text, so nothing from a server can become code.

/**
 * Makes an element. `props` are properties (`class` and `aria-*`, `data-*`, `role`, `for` … are attributes), `children` are nodes or
 * strings; null and false are left out.
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

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Says something to screen readers without moving the focus. */
export function announce(text) {
  byId('live').textContent = text;
}
