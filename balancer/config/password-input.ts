// Takes a password from a terminal, without showing it, or from a pipe; never from an argument.

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** The first line of standard input; on a terminal it is asked for and not shown. */
export const readPassword = async (): Promise<string> => {
  const terminal = process.stdin.isTTY === true
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal })
  // Only now: what is typed before the terminal is silent is shown.
  if (terminal) process.stderr.write('Password: ')
  try {
    for await (const line of lines) return line
    return ''
  } finally {
    lines.close()
    if (terminal) process.stderr.write('\n')
  }
}
