// Medians and quantiles of what a benchmark measured, and the rows of its tables.

/** The value that this part of the values is not above; 0 without values. */
export const quantile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

/** The middle one, which a few rounds beside other work do not move; of an even number, between the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((one, other) => one - other)
  const [upper = 0, lower = upper] = [sorted[Math.floor(sorted.length / 2)], sorted[Math.ceil(sorted.length / 2) - 1]]
  return (lower + upper) / 2
}

/** A table as Markdown: text to the left, numbers to the right. */
export const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (typeof rows[0]?.[i] === 'number' ? '---:' : '---'))
  return [head, rule, ...rows].map(line).join('\n')
}

/** A number as a table shows it. */
export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
