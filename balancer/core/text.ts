// Text that came from outside, made fit to be shown: one line, printable, bounded; or fit to be pasted into a shell.

/**
 * What acts on a terminal or on the reader rather than being read: controls (ESC, BEL, CR, and those of C1), marks that are
 * not seen or turn the writing direction (U+202E), separators of lines, and halves of characters.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu
const unprintableButLines = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The text on one line without control characters, at most `maximum` characters long. */
export const oneLine = (text: string, maximum: number): string => {
  const line = text.replace(unprintable, ' ').replace(/ {2,}/g, ' ').trim()
  return line.length > maximum ? `${line.slice(0, maximum - 1).replace(/\p{Cs}$/u, '')}…` : line
}

/** What has none of it, as most has: found out in a tenth of the time. */
const isPlain = (text: string): boolean => !/[^\n -~]/.test(text)

/** The same lines without control characters: for a terminal. */
export const plainLines = (text: string): string => (isPlain(text) ? text : text.replace(unprintableButLines, ' '))

/** JSON that says the same in characters that a terminal only shows; line ends between its parts stay. */
export const printableJson = (json: string): string =>
  isPlain(json)
    ? json
    : json.replace(unprintableButLines, (one) =>
        Array.from({ length: one.length }, (_, i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
      )

/** A path as a shell takes it. */
export const shellWord = (path: string): string =>
  /^[\w./+@:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
