// A terminal as far as the live view uses one: what stands on its screen after some bytes.

const sequence = new RegExp(String.raw`^${'\x1b'}\[(\??)([\d;]*)([A-Za-z])`)

/** A terminal that shows nothing yet. */
export const createScreen = () => {
  let [grid, row, column]: [string[][], number, number] = [[], 0, 0]
  const modes = new Map<string, boolean>()
  let clears = 0
  let rest = ''
  const control = (isPrivate: boolean, numbers: string, letter: string): void => {
    if (isPrivate) modes.set(numbers, letter === 'h')
    else if (letter === 'H') {
      const [line = '1', place = '1'] = numbers.split(';')
      row = Number(line) - 1
      column = Number(place) - 1
    } else if (letter === 'K') grid[row] = (grid[row] ?? []).slice(0, column)
    else if (letter === 'J') {
      grid = []
      clears += 1
    } else if (letter !== 'm') throw new Error(`the view uses ${letter}`)
  }
  const put = (letter: string): void => {
    const line = grid[row] ?? []
    while (line.length < column) line.push(' ')
    line[column] = letter
    grid[row] = line
    column += 1
  }
  return {
    /** Takes what a program wrote; a sequence that is cut waits for its end. */
    write: (text: string): void => {
      rest += text
      while (rest !== '') {
        const [all = '', isPrivate = '', numbers = '', letter = ''] = sequence.exec(rest) ?? []
        if (all !== '') control(isPrivate !== '', numbers, letter)
        else if (rest.startsWith('\x1b')) return
        else if (rest.startsWith('\r')) column = 0
        else if (rest.startsWith('\n')) row += 1
        else put(rest[0] ?? '')
        rest = rest.slice(all === '' ? 1 : all.length)
      }
    },
    lines: (): readonly string[] =>
      Array.from(grid, (line = []) =>
        Array.from(line, (letter = ' ') => letter)
          .join('')
          .trimEnd(),
      ),
    /** Whether a private mode is set: 1049 the alternate screen, 25 the cursor, 7 lines that go on. */
    mode: (number: number): boolean | undefined => modes.get(`${number}`),
    /** How often all was wiped. */
    clears: () => clears,
  }
}
