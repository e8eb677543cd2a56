// Cuts what comes in into lines of bounded length.

/** Text that came in, cut at line ends; what has no end yet waits for the next piece. */
export type LineCutter = {
  readonly cut: (piece: string) => { readonly lines: readonly string[]; readonly isTooLong: boolean }
}

/** Lines of at most `longest` characters; after one that is longer nothing that follows can be trusted. */
export const createLineCutter = (longest: number): LineCutter => {
  let begun = ''
  return {
    cut: (piece) => {
      const parts = piece.split('\n')
      const last = parts.pop() ?? ''
      const lines = parts.map((part, i) => (i === 0 ? begun + part : part))
      begun = parts.length === 0 ? begun + last : last
      const isWithin = (line: string): boolean => line.length <= longest
      const first = lines.findIndex((line) => !isWithin(line))
      if (first >= 0) return { lines: lines.slice(0, first), isTooLong: true }
      return { lines, isTooLong: !isWithin(begun) }
    },
  }
}
