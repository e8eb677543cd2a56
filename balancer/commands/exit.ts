// The exit codes of what an operator got wrong.

export const exitUsage = 64
export const exitConfig = 78

/** Shows what is wrong with a configuration; the exit code. */
export const configProblems = (problems: readonly string[]): number => {
  process.stderr.write(`${problems.join('\n')}\n`)
  return exitConfig
}
