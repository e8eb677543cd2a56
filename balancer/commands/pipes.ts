// What becomes of a command whose output cannot be written.

/** A reader that has seen enough, such as head, is no failure; a full disk is one, and the exit code tells. */
export const survivePipes = (): void => {
  let isBroken = false
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE' || isBroken) return
    isBroken = true
    process.stderr.write(`balancer: the output cannot be written: ${error.message}\n`)
  }
  process.stdout.on('error', onError)
  process.stderr.on('error', onError)
  process.on('exit', (code) => {
    if (isBroken && code === 0) process.exitCode = 1
  })
}
