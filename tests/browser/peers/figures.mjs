// Order, quartiles and tables.

/** The list, begun at the place `by`. */
export const rotate = (list, by) => list.map((_, at) => list[(at + by) % list.length]);
/** Median. */
export const median = (values) => quartiles(values)[1];
/** Median, lowest and highest value as text. */
export const spread = (values, digits) => `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;

/** First quartile, median and third quartile. */
export function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
}

/** Prints a Markdown table. */
export function table(title, columns, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  console.log([`**${title}**`, '', line(columns), line(columns.map(() => '---')), ...rows.map(line), ''].join('\n'));
}
