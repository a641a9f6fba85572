// Icons of buttons. They are drawn with strokes in the colour of the text, so that forced colours apply to them.

const SVG = 'http://www.w3.org/2000/svg';

/** Paths in a square of 24 × 24. */
const PATHS = {
  unlike: 'M7 4v10M7 14H3V4h4m0 0h10.5a1.5 1.5 0 0 1 1.5 1.2l1.4 7a1.5 1.5 0 0 1-1.5 1.8H14v4.5A1.5 1.5 0 0 1 12.5 20L7 14',
  compare: 'M4 5h6v14H4zM14 5h6v14h-6z',
  picture: 'M12 8.5V8a2 2 0 1 0-2-2m2 2.5L21 15a1.5 1.5 0 0 1-.9 2.7H3.9A1.5 1.5 0 0 1 3 15l9-6.5',
};

/** Makes an icon, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', fill: 'none', stroke: 'currentColor', 'stroke-width': 1.6, 'stroke-linejoin': 'round', 'stroke-linecap': 'round' };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = svg.appendChild(document.createElementNS(SVG, 'path'));
  path.setAttribute('d', PATHS[name]);
  return svg;
}
