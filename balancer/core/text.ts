// Text that came from outside, made fit to be shown: one line, printable, bounded.

/** The text on one line without control characters, at most `maximum` characters long. */
export const oneLine = (text: string, maximum: number): string => {
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  return line.length > maximum ? `${line.slice(0, maximum - 1)}…` : line
}
