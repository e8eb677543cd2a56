// The first line of a script: what the kernel takes the name of its interpreter from (execve(2)).

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { shellWord } from '../core/text.ts'

const scriptMark = '#!'
const byteOrderMark = '\ufeff'
/** The kernel looks at no more (BINPRM_BUF_SIZE). */
const lookedAt = 256
const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Where programs are searched for that are named without their path. */
export const searchPath = searched.join(':')

/** What keeps a script from being run, judged by its first line; `ofInterpreter` judges the program that is named there. */
export const firstLineProblem = (
  script: string,
  ofInterpreter: (interpreter: string) => string | undefined,
): string | undefined => {
  const start = startOf(script)
  // What this process may not read it cannot judge.
  if (start === undefined) return undefined
  if (start === '') return `${script} is empty; write the script into it`
  const name = shellWord(script)
  const mark = start.startsWith(byteOrderMark) ? byteOrderMark : ''
  if (mark !== '' && start.startsWith(scriptMark, mark.length)) {
    return `${script} begins with a byte order mark, so that the system does not find ${scriptMark}; run: sed -i '1s/^\\xEF\\xBB\\xBF//' ${name}`
  }
  const [line = ''] = start.split('\n')
  if (line.endsWith('\r')) {
    return `${script} has the line ends of Windows, which belong to the names of programs here; run: sed -i 's/\\r$//' ${name}`
  }
  if (!line.startsWith(scriptMark)) return undefined
  const [interpreter = '', ...words] = line.slice(scriptMark.length).trim().split(/\s+/)
  return (
    interpreterProblem(script, interpreter) ?? ofInterpreter(interpreter) ?? searchedProblem(script, interpreter, words)
  )
}

const interpreterProblem = (script: string, interpreter: string): string | undefined => {
  if (!interpreter.startsWith('/')) {
    return `the first line of ${script} names no interpreter by its absolute path; write one, such as #!/bin/sh`
  }
  return isFile(interpreter)
    ? undefined
    : `the first line of ${script} names ${interpreter}, which is not there; install it, or correct the line`
}

/** `#!/usr/bin/env NAME` has the program searched for. */
const searchedProblem = (script: string, interpreter: string, words: readonly string[]): string | undefined => {
  if (!interpreter.endsWith('/env')) return undefined
  const wanted = words.find((word) => !word.startsWith('-') && !word.includes('='))
  if (wanted === undefined || wanted.includes('/')) return undefined
  return searched.some((folder) => isFile(`${folder}/${wanted}`))
    ? undefined
    : `the first line of ${script} asks for ${wanted}, which is nowhere in ${searchPath}; install it, or write its path`
}

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const startOf = (file: string): string | undefined => {
  let opened: number | undefined
  try {
    opened = openSync(file, 'r')
    const buffer = Buffer.alloc(lookedAt)
    return buffer.toString('utf8', 0, readSync(opened, buffer, 0, lookedAt, 0))
  } catch {
    return undefined
  } finally {
    if (opened !== undefined) closeSync(opened)
  }
}
