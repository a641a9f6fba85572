// Walk through the page with the Tab key.

/**
 * Presses Tab until the focus returns to the start or `limit` elements were focused. Returns a sentence per element whose focus ring
 * is cut off at the side, or that something covers.
 */
export async function findHiddenFocus(page, limit = 80) {
  const found = [];
  const seen = new Set();
  for (let i = 0; i < limit; i++) {
    await page.keyboard.press('Tab');
    const { key, fault } = await page.evaluate(inspectFocus);
    if (key !== null && seen.has(key)) break;
    seen.add(key);
    if (fault) found.push(fault);
  }
  if (seen.size === 1 && seen.has(null)) found.push('nothing was focused');
  return found;
}

/** Runs in the page. `key` is null if nothing has the focus. */
function inspectFocus() {
  let { activeElement: at } = document;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement; // in an element of the package
  if (!at || at === document.body) return { key: null, fault: null };
  globalThis.focusKeys ??= new Map();
  if (!globalThis.focusKeys.has(at)) globalThis.focusKeys.set(at, globalThis.focusKeys.size);
  const key = globalThis.focusKeys.get(at);
  const name = `<${at.tagName.toLowerCase()}${at.id ? ` id=${at.id}` : ''} class="${at.className}">`;
  // A hidden file input is shown by its label, and the link of a card by the frame of the card.
  const shown = at.type === 'file' ? at.labels[0] : at;
  const framed = getComputedStyle(shown, '::after').outlineStyle === 'solid';
  const style = framed ? getComputedStyle(shown, '::after') : getComputedStyle(shown);
  if (style.outlineStyle === 'none') return { key, fault: `${name} has no focus ring` };
  const box = (framed ? shown.closest('.card') : shown).getBoundingClientRect();
  const spread = Math.max(0, parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset));
  const [left, right] = [box.left - spread, box.right + spread];
  const parent = (node) => node.parentElement ?? node.getRootNode().host;
  for (let outer = parent(shown); outer; outer = parent(outer)) {
    if (getComputedStyle(outer).overflowX === 'visible') continue;
    const limits = outer.getBoundingClientRect();
    if (left < limits.left - 0.5 || right > limits.right + 0.5) return { key, fault: `the focus ring of ${name} is cut off by <${outer.tagName.toLowerCase()} class="${outer.className}">` };
  }
  if (left < 0 || right > innerWidth) return { key, fault: `the focus ring of ${name} is cut off by the window` };
  const own = shown.getBoundingClientRect();
  const [top, bottom] = [Math.max(own.top, 0), Math.min(own.bottom, innerHeight)];
  if (bottom - top < Math.min(own.height, 20)) return { key, fault: `${name} is outside of the window` };
  const on = shown.getRootNode().elementFromPoint((own.left + own.right) / 2, (top + bottom) / 2);
  const covered = !(on === shown || shown.contains(on) || on?.contains(shown) || framed || shown.matches('.crop-area'));
  return { key, fault: covered ? `${name} is covered by <${on?.tagName.toLowerCase()} id=${on?.id} class="${on?.className}">` : null };
}
