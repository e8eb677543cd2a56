// How wide a text is on a terminal, and how it is made to fit.

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** East Asian wide letters and signs, Unicode's classes W and F as far as they are whole blocks, and pictures. */
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u
const plainAscii = /^[\x20-\x7e]*$/

/** How many columns a text takes. */
export const widthOf = (text: string): number => {
  if (plainAscii.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += widthOfOne(segment)
  return width
}

const widthOfOne = (grapheme: string): number =>
  wide.test(grapheme) ? 2 : /^[\p{M}\p{Cf}\p{Cc}]+$/u.test(grapheme) ? 0 : 1

/** The text where it fits, else its beginning and an ellipsis. */
export const cut = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  return width < 1 ? '' : `${beginning(text, width - 1)}…`
}

const beginning = (text: string, width: number): string => {
  let [begun, room] = ['', width]
  for (const { segment } of graphemes.segment(text)) {
    room -= widthOfOne(segment)
    if (room < 0) break
    begun += segment
  }
  return begun
}

/** The text on as many lines as it takes; those after the first are indented by two more blanks than it. */
export const wrapped = (text: string, width: number): readonly string[] => {
  const indent = ' '.repeat(Math.min(width >> 1, (/^ */.exec(text)?.[0].length ?? 0) + 2))
  const lines: string[] = []
  let rest = text
  while (widthOf(rest) > width) {
    const most = beginning(rest, width)
    const blank = rest[most.length] === ' ' ? most.length : most.lastIndexOf(' ')
    // A word that is longer than a line is broken, and so is what stands in no wider terminal than one letter.
    const at = blank > indent.length ? blank : Math.max(1, most.length)
    lines.push(rest.slice(0, at))
    const left = rest.slice(at).trimStart()
    if (left === '') return lines
    rest = widthOf(indent) + 1 < width ? `${indent}${left}` : left
  }
  return [...lines, rest]
}

/** The text and blanks behind it. */
export const padded = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)))
