// Starts a program of the system and collects what it says: for those files of os/ that each stand for one program.

import { spawn } from 'node:child_process'
import { codeOf } from '../core/error-text.ts'

/** What a program answered, or why it did not do what it was told: one sentence for the operator. */
export type Answer = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly text: string }

const limitMillis = 5000
const longestComplaint = 500
const longestAnswer = 4 * 1024 * 1024

/** Runs `name` to its end with `input` at its standard input. `found` is the Debian package that has it. */
export const runProgram = (
  name: string,
  words: readonly string[],
  { input = '', found }: { readonly input?: string; readonly found: string },
): Promise<Answer> =>
  new Promise((resolve) => {
    const child = spawn(name, [...words], {
      // A unit's PATH may leave out the folders of system programs; words in another language cannot be read.
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: limitMillis,
      killSignal: 'SIGKILL',
    })
    child.once('error', (error) => {
      const isMissing = codeOf(error) === 'ENOENT'
      const why = isMissing ? `it is not installed; apt-get install ${found}` : error.message
      resolve({ ok: false, text: `cannot run ${name}: ${why}` })
    })
    // Whatever the types say: where no file can be opened any more a child has no streams.
    const { stdin, stdout, stderr }: Partial<typeof child> = child
    let [answered, said] = ['', '']
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      answered += text
      if (answered.length > longestAnswer) child.kill('SIGKILL')
    })
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(0, longestComplaint)
    })
    child.once('close', (code, signal) => {
      if (code === 0) return resolve({ ok: true, value: answered })
      if (signal === 'SIGKILL') return resolve({ ok: false, text: `${name} gave no answer that can be used` })
      const [line = ''] = said.split('\n')
      const rights = /operation not permitted/i.test(said) ? '; it takes root, or CAP_NET_ADMIN' : ''
      resolve({ ok: false, text: `${name} failed: ${line === '' ? (signal ?? `exit code ${code}`) : line}${rights}` })
    })
    // A program that ends early closes its input; its exit says why.
    stdin?.on('error', () => undefined)
    stdin?.end(input)
  })
