// Text that came from outside, made fit to be shown: one line, printable, bounded; or fit to be pasted into a shell.

/** The text on one line without control characters, at most `maximum` characters long. */
export const oneLine = (text: string, maximum: number): string => {
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  return line.length > maximum ? `${line.slice(0, maximum - 1)}…` : line
}

/** A path as a shell takes it. */
export const shellWord = (path: string): string =>
  /^[\w./+@:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
