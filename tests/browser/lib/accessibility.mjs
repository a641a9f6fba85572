// Accessibility checks that run in the page.

/** Returns a sentence per broken rule. */
export const findFaults = (page) =>
  page.evaluate(() => {
    const found = [];
    const visible = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && node.getClientRects().length > 0;
    const describe = (node) => `<${node.tagName.toLowerCase()}${node.id ? ` id=${node.id}` : ''} class="${node.className}">`;
    const root = document.querySelector('dialog[open]') ?? document.body;

    const name = (node) => {
      const by = node.getAttribute('aria-labelledby');
      const label = node.labels?.[0]?.textContent ?? '';
      return (node.getAttribute('aria-label') ?? (by ? document.getElementById(by)?.textContent : '') ?? '').trim() || node.textContent.trim() || label.trim();
    };
    for (const node of root.querySelectorAll('a[href], button, input, select, summary, dialog, progress, [role=group], [role=img]')) {
      if (visible(node) && !name(node)) found.push(`${describe(node)} has no name`);
    }
    for (const node of root.querySelectorAll('img')) if (!node.hasAttribute('alt')) found.push(`${describe(node)} has no alt`);

    const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`the id ${id} is used twice`);
    for (const attribute of ['aria-labelledby', 'aria-describedby', 'for']) {
      for (const node of document.querySelectorAll(`[${attribute}]`)) {
        const id = node.getAttribute(attribute);
        if (!ids.includes(id) && node.checkVisibility()) found.push(`${describe(node)} refers to #${id}, which does not exist`);
      }
    }

    let level = 0;
    for (const heading of [...root.querySelectorAll('h1, h2, h3, h4')].filter(visible)) {
      const next = Number(heading.tagName[1]);
      if (next > level + 1 && level > 0) found.push(`${describe(heading)} skips a level`);
      level = next;
    }
    if (!document.documentElement.lang) found.push('the page has no language');

    const tooSmall = [...root.querySelectorAll('button, select, .button')].filter(visible).filter((node) => {
      const { width, height } = node.getBoundingClientRect();
      return width < 24 || height < 24;
    });
    for (const node of tooSmall) found.push(`${describe(node)} is smaller than 24 pixels`);

    const parseColour = (colour) => colour.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const backgroundOf = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const [r, g, b, a = 1] = parseColour(getComputedStyle(at).backgroundColor);
        if (a > 0.99) return [r, g, b];
      }
      return [255, 255, 255];
    };
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !visible(node) || node.closest('.visually-hidden, .skip, :disabled, script, style')) continue;
      const style = getComputedStyle(node);
      const [lighter, darker] = [luminance(parseColour(style.color)), luminance(backgroundOf(node))].sort((a, b) => b - a);
      const ratio = (lighter + 0.05) / (darker + 0.05);
      const size = parseFloat(style.fontSize);
      if (ratio < (size >= 24 ? 3 : 4.5)) found.push(`${describe(node)} has a contrast of ${ratio.toFixed(2)}: “${node.textContent.trim().slice(0, 30)}”`);
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page scrolls sideways (${document.documentElement.scrollWidth} > ${innerWidth})`);
    return found;
  });

/** Presses Tab `times` times. Returns the focused elements, each as its id, data-lang, class or tag name. */
export async function tabOrder(page, times) {
  const order = [];
  for (let i = 0; i < times; i++) {
    await page.keyboard.press('Tab');
    order.push(await page.evaluate(() => {
      const { activeElement: at } = document;
      return at.id || at.dataset.lang || at.className || at.tagName.toLowerCase();
    }));
  }
  return order;
}
