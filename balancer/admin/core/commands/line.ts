// A line of the runtime socket: commands between semicolons, each of words. A backslash takes from the character behind it what it means.

/** The words of each command of a line; nothing for an empty line but one command without words. */
export const commandsIn = (line: string): readonly (readonly string[])[] => {
  const commands: string[][] = []
  let words: string[] = []
  let word: string | undefined
  const endWord = (): void => {
    if (word !== undefined) words.push(word)
    word = undefined
  }
  const endCommand = (): void => {
    endWord()
    commands.push(words)
    words = []
  }
  for (let i = 0; i < line.length; i += 1) {
    const letter = line[i] ?? ''
    if (letter === '\\' && i + 1 < line.length) {
      i += 1
      word = (word ?? '') + (line[i] ?? '')
    } else if (letter === ';') endCommand()
    else if (/\s/.test(letter)) endWord()
    else word = (word ?? '') + letter
  }
  endCommand()
  // What ends with a semicolon has no command behind it.
  if (commands.length > 1 && commands.at(-1)?.length === 0) commands.pop()
  return commands
}
