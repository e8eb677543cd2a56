// What somebody typed, from the bytes that a terminal in raw mode sends.

/** A key that the view knows. */
export type Key =
  | { readonly key: 'quit' | 'suspend' | 'pause' | 'next' | 'previous' | 'redraw' }
  | { readonly key: 'scroll'; readonly by: 'line' | 'page' | 'all'; readonly direction: -1 | 1 }
  | { readonly key: 'view'; readonly number: number }

const scroll = (by: 'line' | 'page' | 'all', direction: -1 | 1): Key => ({ key: 'scroll', by, direction })

const known: Readonly<Record<string, Key>> = {
  q: { key: 'quit' },
  Q: { key: 'quit' },
  '\x03': { key: 'quit' },
  '\x04': { key: 'quit' },
  '\x1a': { key: 'suspend' },
  '\x0c': { key: 'redraw' },
  p: { key: 'pause' },
  P: { key: 'pause' },
  '\t': { key: 'next' },
  '\x1b[C': { key: 'next' },
  '\x1b[Z': { key: 'previous' },
  '\x1b[D': { key: 'previous' },
  j: scroll('line', 1),
  '\x1b[B': scroll('line', 1),
  k: scroll('line', -1),
  '\x1b[A': scroll('line', -1),
  ' ': scroll('page', 1),
  '\x1b[6~': scroll('page', 1),
  b: scroll('page', -1),
  '\x1b[5~': scroll('page', -1),
  G: scroll('all', 1),
  '\x1b[F': scroll('all', 1),
  '\x1b[4~': scroll('all', 1),
  g: scroll('all', -1),
  '\x1b[H': scroll('all', -1),
  '\x1b[1~': scroll('all', -1),
}

const esc = '\x1b'
/** A control sequence (ECMA-48, 5.4), one of VT100's application keys, or one character. */
const pieces = new RegExp(`${esc}\\[[0-?]*[ -/]*[@-~]|${esc}O.|[^]`, 'gu')

/** The keys of a piece of input; what is none is left out. */
export const keysIn = (input: string): readonly Key[] =>
  (input.match(pieces) ?? []).flatMap((piece) => {
    // Application cursor keys are the same keys.
    const key = known[piece.replace(`${esc}O`, `${esc}[`)]
    if (key !== undefined) return [key]
    return /^[1-9]$/.test(piece) ? [{ key: 'view' as const, number: Number(piece) }] : []
  })
